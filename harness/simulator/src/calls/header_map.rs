//! Headers and trailers: of the exchange, and of the callout that has just been answered.

use super::{EffectiveContext, HostHandle};
use crate::abi::{HostResult, MapKind, Status};
use crate::core::Core;
use crate::rules::headers::Headers;

impl HostHandle {
    /// The first value of a header.
    ///
    /// # Errors
    /// `NotFound` without such a header, `BadArgument` while the map cannot be read.
    pub fn header_value(&self, map: MapKind, name: &[u8]) -> HostResult<Vec<u8>> {
        self.call_in_context("get_header_map_value", |core, at| {
            if map == MapKind::CallHeaders && name == b":dispatch_status" {
                return core.dispatch_status(at).ok_or(Status::NotFound);
            }
            match core.map(at, map) {
                Some(headers) => headers
                    .first(name)
                    .map(<[u8]>::to_vec)
                    .or_else(|| core.removed_value(at, map, name))
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
            Ok(core.map(at, map).cloned().unwrap_or_default())
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
            *core.map_mut(at, map)? = pairs;
            Ok(())
        })
    }

    /// Adds one more value of a header.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn add_header(&self, map: MapKind, name: &[u8], value: &[u8]) -> HostResult<()> {
        self.call_in_context("add_header_map_value", |core, at| {
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
            let first_only = core.profile.headers.set_replaces_first_only;
            let headers = core.map_mut(at, map)?;
            if first_only && map == MapKind::RequestHeaders {
                headers.set_first(name, value);
            } else {
                headers.set(name, value);
            }
            Ok(())
        })
    }

    /// Removes every value of a header.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn remove_header(&self, map: MapKind, name: &[u8]) -> HostResult<()> {
        self.call_in_context("remove_header_map_value", |core, at| {
            let keeps = core.profile.forwards_removed_headers && map == MapKind::RequestHeaders;
            let headers = core.map_mut(at, map)?;
            let values: Vec<Vec<u8>> = headers.all(name).map(<[u8]>::to_vec).collect();
            headers.remove(name);
            if keeps {
                let (stream, _) = core.exchange(at)?;
                for value in values {
                    stream.request.removed.add(name, value);
                }
            }
            Ok(())
        })
    }
}

impl Core {
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

    /// The value of a header that was removed and is forwarded all the same: only lists hide it.
    fn removed_value(&self, at: EffectiveContext, map: MapKind, name: &[u8]) -> Option<Vec<u8>> {
        let (stream, _) = self.exchange_of(at.vm, at.context)?;
        let removed = &self.streams.get(&stream)?.request.removed;
        let value = removed
            .first(name)
            .filter(|_| map == MapKind::RequestHeaders)?;
        Some(value.to_vec())
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
