//! Headers and trailers: of the exchange, and of the callout that has just been answered.

use super::{EffectiveContext, HostHandle};
use crate::abi::{HostResult, MapKind, Status};
use crate::callback::Callback;
use crate::core::Core;
use crate::rules::headers::Headers;

impl HostHandle {
    /// The first value of a header.
    ///
    /// # Errors
    /// `NotFound` without such a header, `BadArgument` while the map cannot be read.
    pub fn header_value(&self, map: MapKind, name: &[u8]) -> HostResult<Vec<u8>> {
        self.call_in_context("get_header_map_value", |core, at| {
            core.needs_exchange(at, map)?;
            if map == MapKind::CallHeaders && name == b":dispatch_status" {
                return core.dispatch_status(at).ok_or(Status::NotFound);
            }
            match core.map(at, map) {
                // Only lists hide what was removed.
                Some(headers) => headers
                    .first_sent(name)
                    .map(<[u8]>::to_vec)
                    .ok_or(Status::NotFound),
                None if core.logging(at) => Err(Status::NotFound),
                None => Err(Status::BadArgument),
            }
        })
    }

    /// All headers; none while the map cannot be read.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn header_pairs(&self, map: MapKind) -> HostResult<Headers> {
        self.call_in_context("get_header_map_pairs", |core, at| {
            core.needs_exchange(at, map)?;
            let most = core.profile.headers.max_pairs.unwrap_or(usize::MAX);
            let shown = core.map(at, map).map(|headers| headers.truncated(most));
            Ok(shown.unwrap_or_default())
        })
    }

    /// Bytes of all names and values.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn header_map_size(&self, map: MapKind) -> HostResult<u32> {
        self.call_in_context("get_header_map_size", |core, at| {
            let size = core.map_mut(at, map)?.byte_size();
            u32::try_from(size).map_err(|_| Status::InternalFailure)
        })
    }

    /// Replaces all headers.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn set_header_pairs(&self, map: MapKind, pairs: Headers) -> HostResult<()> {
        self.call_in_context("set_header_map_pairs", |core, at| {
            core.may_change(at, map)?;
            if !core.profile.headers.request_line_is_parsed || map != MapKind::RequestHeaders {
                *core.map_mut(at, map)? = pairs;
                return Ok(());
            }
            // Everything is hidden; then one after the other is set, until one cannot be.
            let names = core.map_mut(at, map)?.clone();
            for (name, _) in names.iter().filter(|(name, _)| !is_pseudo(name)) {
                core.map_mut(at, map)?.hide(name);
            }
            for (name, value) in pairs.iter() {
                if is_read_only(name) {
                    return Ok(());
                }
                core.replace(at, map, name, value)?;
            }
            Ok(())
        })
    }

    /// Adds one more value of a header.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn add_header(&self, map: MapKind, name: &[u8], value: &[u8]) -> HostResult<()> {
        self.call_in_context("add_header_map_value", |core, at| {
            core.may_change(at, map)?;
            if core.ignores(map, name) {
                return Ok(());
            }
            let value = core.escaped(value);
            core.map_mut(at, map)?.add(name, value);
            Ok(())
        })
    }

    /// Gives a header exactly one value.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn set_header(&self, map: MapKind, name: &[u8], value: &[u8]) -> HostResult<()> {
        self.call_in_context("replace_header_map_value", |core, at| {
            core.may_change(at, map)?;
            core.replace(at, map, name, value)
        })
    }

    /// Removes every value of a header.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn remove_header(&self, map: MapKind, name: &[u8]) -> HostResult<()> {
        self.call_in_context("remove_header_map_value", |core, at| {
            core.may_change(at, map)?;
            if core.ignores(map, name) {
                return Ok(());
            }
            let hides = core.profile.forwards_removed_headers && map == MapKind::RequestHeaders;
            let headers = core.map_mut(at, map)?;
            match hides {
                true => headers.hide(name),
                false => headers.remove(name),
            }
            Ok(())
        })
    }
}

fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':')
}

/// Pseudo-headers that nginx shows and that cannot be set.
fn is_read_only(name: &[u8]) -> bool {
    [&b":scheme"[..], b":authority"].contains(&name)
}

impl Core {
    /// Whether a change does nothing on this host, and says that it did.
    fn ignores(&self, map: MapKind, name: &[u8]) -> bool {
        let rules = self.profile.headers;
        rules.request_line_is_parsed && map == MapKind::RequestHeaders && is_read_only(name)
    }

    /// A value as this host takes it: with line breaks escaped, or as it is.
    fn escaped(&self, value: &[u8]) -> Vec<u8> {
        if !self.profile.headers.line_breaks_are_escaped {
            return value.to_vec();
        }
        value.iter().fold(Vec::new(), |mut escaped, byte| {
            match byte {
                b'\r' | b'\n' | 0 => escaped.extend(format!("%{byte:02X}").bytes()),
                byte => escaped.push(*byte),
            }
            escaped
        })
    }

    fn replace(
        &mut self,
        at: EffectiveContext,
        map: MapKind,
        name: &[u8],
        value: &[u8],
    ) -> HostResult<()> {
        if self.ignores(map, name) {
            return Ok(());
        }
        let value = self.escaped(value);
        let first_only = self.profile.headers.set_replaces_first_only;
        let headers = self.map_mut(at, map)?;
        if first_only && map == MapKind::RequestHeaders {
            headers.set_first(name, value);
        } else {
            headers.set(name, value);
        }
        Ok(())
    }

    /// The worker crashes on hosts where these headers are asked for and there is no exchange.
    fn needs_exchange(&mut self, at: EffectiveContext, map: MapKind) -> HostResult<()> {
        let called = matches!(map, MapKind::CallHeaders | MapKind::CallTrailers);
        match !called && self.crashes_on_messages(at.context, at.vm) {
            true => self.crash("headers without an exchange"),
            false => Ok(()),
        }
    }

    /// Headers may be changed now: otherwise the worker crashes, or the call traps.
    fn may_change(&mut self, at: EffectiveContext, map: MapKind) -> HostResult<()> {
        self.needs_exchange(at, map)?;
        let callback = self.running.map(|running| running.callback);
        let early = matches!(
            callback,
            Some(
                Callback::RequestHeaders { .. }
                    | Callback::RequestBody { .. }
                    | Callback::RequestTrailers { .. }
                    | Callback::HttpCallResponse { .. }
            )
        );
        let late = map == MapKind::RequestHeaders && !early;
        match late && self.profile.trapping_calls.late_request_headers {
            true => self.trap("request headers can only be set before the response"),
            false => Ok(()),
        }
    }

    fn map(&self, at: EffectiveContext, kind: MapKind) -> Option<&Headers> {
        match kind {
            MapKind::CallHeaders | MapKind::CallTrailers => {
                let answer = self.vm(at.vm)?.root(at.context)?.answer.as_ref()?;
                if kind == MapKind::CallHeaders {
                    answer.headers.as_ref()
                } else {
                    answer.trailers.as_ref()
                }
            }
            MapKind::GrpcInitialMetadata | MapKind::GrpcTrailingMetadata => None,
            _ => {
                let (stream, filter) = self.exchange_of(at.vm, at.context)?;
                self.streams.get(&stream)?.map(filter, kind)
            }
        }
    }

    /// Why the callout that is being answered has failed, on hosts that say it in a header.
    fn dispatch_status(&self, at: EffectiveContext) -> Option<Vec<u8>> {
        let status = self
            .vm(at.vm)?
            .root(at.context)?
            .answer
            .as_ref()?
            .dispatch_status?;
        Some(status.as_bytes().to_vec())
    }

    fn map_mut(&mut self, at: EffectiveContext, kind: MapKind) -> HostResult<&mut Headers> {
        let (stream, filter) = self.exchange(at)?;
        stream.map_mut(filter, kind).ok_or(Status::BadArgument)
    }

    fn logging(&self, at: EffectiveContext) -> bool {
        let filter = self.exchange_of(at.vm, at.context);
        let filter = filter.and_then(|(stream, filter)| self.streams.get(&stream)?.filter(filter));
        filter.is_some_and(|filter| filter.logging)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    type Changed = HostResult<Option<Vec<u8>>>;

    fn value(phase: Phase, map: MapKind, name: &'static str) -> HostResult<Vec<u8>> {
        during(phase, move |host| host.header_value(map, name.as_bytes()))
    }

    /// What a change makes of the joined values of `x-twice`, or why it is refused.
    fn changed(
        phase: Phase,
        map: MapKind,
        change: fn(&HostHandle, MapKind) -> HostResult<()>,
    ) -> Changed {
        during(phase, move |host| {
            change(host, map)?;
            let mut pairs = host.header_pairs(map)?;
            pairs.join("x-twice", ",");
            Ok(pairs.first("x-twice").map(<[u8]>::to_vec))
        })
    }

    #[test]
    fn get_header_map_value_gives_the_first_value() {
        let request = |name| value(Phase::RequestHeaders, MapKind::RequestHeaders, name);
        assert_eq!(request("X-Twice"), Ok(b"a".to_vec()));
        assert_eq!(request("x-none"), Err(Status::NotFound));
    }

    #[test]
    fn get_header_map_value_has_each_map_in_its_phase_only() {
        for (map, phase, name, there) in [
            (MapKind::RequestTrailers, Phase::RequestTrailers, "t", "1"),
            (
                MapKind::ResponseHeaders,
                Phase::ResponseHeaders,
                ":status",
                "200",
            ),
            (MapKind::CallHeaders, Phase::Callout, ":status", "201"),
            (MapKind::CallTrailers, Phase::Callout, "grpc-status", "0"),
            (MapKind::RequestHeaders, Phase::Log, ":method", "POST"),
        ] {
            assert_eq!(value(phase, map, name), Ok(there.into()), "{map:?}");
        }
        for (map, phase, refused) in [
            (
                MapKind::RequestHeaders,
                Phase::ResponseHeaders,
                Status::BadArgument,
            ),
            (
                MapKind::ResponseHeaders,
                Phase::RequestHeaders,
                Status::BadArgument,
            ),
            (
                MapKind::RequestTrailers,
                Phase::RequestBody,
                Status::BadArgument,
            ),
            (
                MapKind::CallHeaders,
                Phase::RequestHeaders,
                Status::BadArgument,
            ),
            (MapKind::RequestHeaders, Phase::Tick, Status::BadArgument),
            (MapKind::RequestTrailers, Phase::Log, Status::NotFound),
            (
                MapKind::RequestHeaders,
                Phase::Start,
                Status::InternalFailure,
            ),
        ] {
            assert_eq!(
                value(phase, map, ":method"),
                Err(refused),
                "{map:?} in {phase:?}"
            );
        }
    }

    #[test]
    fn get_header_map_pairs_gives_all_or_nothing() {
        let count = |phase, map| {
            during(phase, move |host| {
                host.header_pairs(map).map(|pairs| pairs.len())
            })
        };
        assert_eq!(
            count(Phase::RequestTrailers, MapKind::RequestTrailers),
            Ok(1)
        );
        assert_eq!(
            count(Phase::RequestHeaders, MapKind::GrpcInitialMetadata),
            Ok(0)
        );
        assert_eq!(count(Phase::Tick, MapKind::RequestHeaders), Ok(0));
        assert_eq!(
            count(Phase::Start, MapKind::RequestHeaders),
            Err(Status::InternalFailure)
        );
    }

    #[test]
    fn get_header_map_size_counts_bytes_of_names_and_values() {
        let size = |phase, map| during(phase, move |host| host.header_map_size(map));
        assert_eq!(
            size(Phase::RequestTrailers, MapKind::RequestTrailers),
            Ok(2)
        );
        assert_eq!(
            size(Phase::Callout, MapKind::CallHeaders),
            Err(Status::BadArgument)
        );
        assert_eq!(
            size(Phase::Log, MapKind::RequestHeaders),
            Err(Status::BadArgument)
        );
    }

    #[test]
    fn each_change_does_what_it_says() {
        let change = |change| changed(Phase::RequestHeaders, MapKind::RequestHeaders, change);
        let is = |text: &str| Ok(Some(text.as_bytes().to_vec()));
        assert_eq!(
            change(|host, map| host.add_header(map, b"x-twice", b"c")),
            is("a,b,c")
        );
        assert_eq!(
            change(|host, map| host.set_header(map, b"x-twice", b"c")),
            is("c")
        );
        assert_eq!(
            change(|host, map| host.remove_header(map, b"x-twice")),
            Ok(None)
        );
        assert_eq!(
            change(|host, map| host.remove_header(map, b"x-none")),
            is("a,b")
        );
        let only = |host: &HostHandle, map| {
            host.set_header_pairs(map, [("x-twice", &b"z"[..])].into_iter().collect())
        };
        assert_eq!(change(only), is("z"));
    }

    #[test]
    fn no_change_is_made_outside_of_the_phase_of_its_map() {
        let changes: [fn(&HostHandle, MapKind) -> HostResult<()>; 4] = [
            |host, map| host.add_header(map, b"a", b"1"),
            |host, map| host.set_header(map, b"a", b"1"),
            |host, map| host.remove_header(map, b"a"),
            |host, map| host.set_header_pairs(map, Headers::new()),
        ];
        for change in changes {
            for (phase, map) in [
                (Phase::ResponseHeaders, MapKind::RequestHeaders),
                (Phase::RequestHeaders, MapKind::ResponseHeaders),
                (Phase::Callout, MapKind::CallHeaders),
                (Phase::Tick, MapKind::RequestHeaders),
                (Phase::Log, MapKind::ResponseHeaders),
            ] {
                assert_eq!(
                    changed(phase, map, change),
                    Err(Status::BadArgument),
                    "{map:?} in {phase:?}"
                );
            }
            assert_eq!(
                changed(Phase::Start, MapKind::RequestHeaders, change),
                Err(Status::InternalFailure)
            );
        }
    }
}
