//! Buffers: bodies, a callout's answer, configurations.

use super::{Focus, HostHandle};
use crate::abi::{Answered, BufferKind, Status};
use crate::core::Core;
use crate::gateway::stream::Side;

impl HostHandle {
    /// Up to `max` bytes from `start`; none beyond the end.
    ///
    /// # Errors
    /// `NotFound` when there is no such buffer now, `BadArgument` when `start + max` overflows.
    pub fn buffer(&self, kind: BufferKind, start: u32, max: u32) -> Answered<Vec<u8>> {
        self.focused("get_buffer_bytes", |core, focus| {
            let bytes = core.bytes(focus, kind)?;
            let end = start.checked_add(max).ok_or(Status::BadArgument)?;
            let start = index(start)?.min(bytes.len());
            let end = index(end)?.min(bytes.len());
            Ok(bytes.get(start..end).unwrap_or_default().to_vec())
        })
    }

    /// How many bytes there are.
    ///
    /// # Errors
    /// `NotFound` when there is no such buffer now.
    pub fn buffer_size(&self, kind: BufferKind) -> Answered<u32> {
        self.focused("get_buffer_status", |core, focus| {
            u32::try_from(core.bytes(focus, kind)?.len()).map_err(|_| Status::InternalFailure)
        })
    }

    /// Replaces a whole body (`start` 0, `size` at least its length), or adds before it (both 0) or
    /// behind it (`start` at its end).
    ///
    /// # Errors
    /// `BadArgument` for anything in the middle, for buffers that cannot be changed, and when no
    /// body is at hand; `NotFound` when there is no such buffer now.
    pub fn set_buffer(&self, kind: BufferKind, start: u32, size: u32, data: &[u8]) -> Answered<()> {
        self.focused("set_buffer_bytes", |core, focus| {
            let side = match kind {
                BufferKind::RequestBody => Side::Request,
                BufferKind::ResponseBody => Side::Response,
                _ => return core.bytes(focus, kind).and(Err(Status::BadArgument)),
            };
            let (stream, slot) = core.exchange(focus)?;
            stream.set_body(slot, side, index(start)?, index(size)?, data)
        })
    }
}

fn index(number: u32) -> Answered<usize> {
    usize::try_from(number).map_err(|_| Status::BadArgument)
}

impl Core {
    fn bytes(&mut self, focus: Focus, kind: BufferKind) -> Answered<&[u8]> {
        match kind {
            BufferKind::RequestBody | BufferKind::ResponseBody => {
                let side = if kind == BufferKind::RequestBody {
                    Side::Request
                } else {
                    Side::Response
                };
                let Ok((stream, slot)) = self.exchange(focus) else {
                    return Ok(&[]);
                };
                Ok(stream.body(slot, side))
            }
            BufferKind::CallBody => {
                let root = self.root(focus)?;
                root.answer
                    .as_ref()
                    .map(|answer| answer.body.as_slice())
                    .ok_or(Status::NotFound)
            }
            BufferKind::VmConfiguration => self
                .vm(focus.vm)
                .map(|vm| vm.configuration.as_slice())
                .ok_or(Status::NotFound),
            BufferKind::PluginConfiguration => {
                let root = self.root(focus)?;
                let plugin = Some(root.plugin)
                    .filter(|_| root.configuring)
                    .ok_or(Status::NotFound)?;
                self.plugins
                    .get(plugin)
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
