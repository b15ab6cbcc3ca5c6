//! Buffers: bodies, a callout's answer, configurations.

use super::{EffectiveContext, HostHandle};
use crate::abi::{BufferKind, HostResult, Status};
use crate::core::Core;
use crate::gateway::stream::Side;

impl HostHandle {
    /// Up to `max` bytes from `start`; none beyond the end.
    ///
    /// # Errors
    /// `NotFound` when there is no such buffer now, `BadArgument` when `start + max` overflows.
    pub fn buffer(&self, kind: BufferKind, start: u32, max: u32) -> HostResult<Vec<u8>> {
        self.call_in_context("get_buffer_bytes", |core, at| {
            let body = matches!(kind, BufferKind::RequestBody | BufferKind::ResponseBody);
            let rules = core.profile.bodies;
            let bytes = core.bytes(at, kind)?;
            let readable = rules.max_readable_request;
            if kind == BufferKind::RequestBody && readable.is_some_and(|max| bytes.len() > max) {
                return Err(Status::NotFound);
            }
            let start = if body && rules.start_is_ignored {
                0
            } else {
                start
            };
            let end = start.checked_add(max).ok_or(Status::BadArgument)?;
            let start = index(start)?.min(bytes.len());
            let end = index(end)?.min(bytes.len());
            match bytes.get(start..end).unwrap_or_default() {
                [] if rules.empty_is_not_found => Err(Status::NotFound),
                bytes => Ok(bytes.to_vec()),
            }
        })
    }

    /// How many bytes there are.
    ///
    /// # Errors
    /// `NotFound` when there is no such buffer now.
    pub fn buffer_size(&self, kind: BufferKind) -> HostResult<u32> {
        self.call_in_context("get_buffer_status", |core, at| {
            u32::try_from(core.bytes(at, kind)?.len()).map_err(|_| Status::InternalFailure)
        })
    }

    /// Replaces a whole body (`start` 0, `size` at least its length), or adds before it (both 0) or
    /// behind it (`start` at its end).
    ///
    /// # Errors
    /// `BadArgument` for anything in the middle, for buffers that cannot be changed, and when no
    /// body is at hand; `NotFound` when there is no such buffer now.
    pub fn set_buffer(
        &self,
        kind: BufferKind,
        start: u32,
        size: u32,
        data: &[u8],
    ) -> HostResult<()> {
        self.call_in_context("set_buffer_bytes", |core, at| {
            let side = match kind {
                BufferKind::RequestBody => Side::Request,
                BufferKind::ResponseBody => Side::Response,
                _ => return core.bytes(at, kind).and(Err(Status::BadArgument)),
            };
            let cuts = core.profile.bodies.set_cuts_and_appends;
            let (stream, filter) = core.exchange(at)?;
            let (start, size) = (index(start)?, index(size)?);
            if cuts && (start, size) != (0, 0) {
                let kept = stream.body(filter, side).get(..start);
                let kept = kept.unwrap_or(stream.body(filter, side));
                let added = data.get(..size).unwrap_or(data);
                let whole = [kept, added].concat();
                return stream.set_body(filter, side, 0, usize::MAX, &whole);
            }
            stream.set_body(filter, side, start, size, data)
        })
    }
}

fn index(number: u32) -> HostResult<usize> {
    usize::try_from(number).map_err(|_| Status::BadArgument)
}

impl Core {
    fn bytes(&mut self, at: EffectiveContext, kind: BufferKind) -> HostResult<&[u8]> {
        match kind {
            BufferKind::RequestBody | BufferKind::ResponseBody => {
                let side = if kind == BufferKind::RequestBody {
                    Side::Request
                } else {
                    Side::Response
                };
                let Ok((stream, filter)) = self.exchange(at) else {
                    return Ok(&[]);
                };
                Ok(stream.body(filter, side))
            }
            BufferKind::CallBody => {
                let root = self.root(at)?;
                root.answer
                    .as_ref()
                    .map(|answer| answer.body.as_slice())
                    .ok_or(Status::NotFound)
            }
            BufferKind::VmConfiguration => self
                .vm(at.vm)
                .map(|vm| vm.configuration.as_slice())
                .ok_or(Status::NotFound),
            BufferKind::PluginConfiguration => {
                let root = self.root(at)?;
                let plugin = Some(root.plugin)
                    .filter(|_| root.configuring)
                    .ok_or(Status::NotFound)?;
                self.plugin(plugin)
                    .map(|plugin| plugin.configuration.as_slice())
                    .ok_or(Status::NotFound)
            }
            // No TCP filters, no gRPC messages, no calls into the guest: these buffers are empty.
            BufferKind::DownstreamData
            | BufferKind::UpstreamData
            | BufferKind::GrpcMessage
            | BufferKind::CallData => Ok(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    fn bytes(phase: Phase, kind: BufferKind, start: u32, max: u32) -> HostResult<Vec<u8>> {
        during(phase, move |host| host.buffer(kind, start, max))
    }

    #[test]
    fn get_buffer_bytes_gives_what_there_is_of_a_range() {
        let body = |start, max| bytes(Phase::RequestBody, BufferKind::RequestBody, start, max);
        assert_eq!(body(0, u32::MAX), Ok(b"abc".to_vec()));
        assert_eq!(body(1, 1), Ok(b"b".to_vec()));
        assert_eq!(body(9, 1), Ok(Vec::new()));
        assert_eq!(body(1, u32::MAX), Err(Status::BadArgument));
    }

    #[test]
    fn get_buffer_bytes_has_each_buffer_in_its_phase_only() {
        let get = |phase, kind| bytes(phase, kind, 0, 100);
        for (kind, phase, there) in [
            (BufferKind::ResponseBody, Phase::ResponseBody, "hello"),
            (BufferKind::CallBody, Phase::Callout, "token"),
            (BufferKind::PluginConfiguration, Phase::Configure, "{}"),
            (BufferKind::VmConfiguration, Phase::Tick, "vm"),
        ] {
            assert_eq!(get(phase, kind), Ok(there.into()), "{kind:?}");
        }
        for kind in [BufferKind::CallBody, BufferKind::PluginConfiguration] {
            assert_eq!(
                get(Phase::RequestHeaders, kind),
                Err(Status::NotFound),
                "{kind:?}"
            );
        }
        for kind in [BufferKind::RequestBody, BufferKind::GrpcMessage] {
            assert_eq!(get(Phase::RequestHeaders, kind), Ok(Vec::new()), "{kind:?}");
        }
        assert_eq!(
            get(Phase::Start, BufferKind::RequestBody),
            Err(Status::InternalFailure)
        );
    }

    #[test]
    fn get_buffer_status_gives_the_size() {
        let size = |phase, kind| during(phase, move |host| host.buffer_size(kind));
        assert_eq!(size(Phase::RequestBody, BufferKind::RequestBody), Ok(3));
        assert_eq!(size(Phase::Log, BufferKind::RequestBody), Ok(0));
        assert_eq!(
            size(Phase::RequestBody, BufferKind::CallBody),
            Err(Status::NotFound)
        );
    }

    #[test]
    fn set_buffer_bytes_replaces_prepends_and_appends_and_nothing_else() {
        let set = |start, size| {
            during(Phase::RequestBody, move |host| {
                let kind = BufferKind::RequestBody;
                host.set_buffer(kind, start, size, b"-")
                    .and_then(|()| host.buffer(kind, 0, 100))
            })
        };
        assert_eq!(set(0, 3), Ok(b"-".to_vec()));
        assert_eq!(set(0, u32::MAX), Ok(b"-".to_vec()));
        assert_eq!(set(0, 0), Ok(b"-abc".to_vec()));
        assert_eq!(set(3, 0), Ok(b"abc-".to_vec()));
        assert_eq!(set(1, 1), Err(Status::BadArgument));
        assert_eq!(set(0, 2), Err(Status::BadArgument));
    }

    #[test]
    fn set_buffer_bytes_changes_bodies_at_hand_only() {
        let set = |phase, kind| during(phase, move |host| host.set_buffer(kind, 0, 9, b""));
        assert_eq!(
            set(Phase::Callout, BufferKind::CallBody),
            Err(Status::BadArgument)
        );
        assert_eq!(
            set(Phase::RequestHeaders, BufferKind::RequestBody),
            Err(Status::BadArgument)
        );
        assert_eq!(
            set(Phase::RequestBody, BufferKind::ResponseBody),
            Err(Status::BadArgument)
        );
        assert_eq!(
            set(Phase::Tick, BufferKind::RequestBody),
            Err(Status::BadArgument)
        );
        assert_eq!(
            set(Phase::RequestBody, BufferKind::CallBody),
            Err(Status::NotFound)
        );
    }
}
