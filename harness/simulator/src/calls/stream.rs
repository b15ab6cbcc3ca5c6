//! What a filter decides about its exchange: go on, answer, break off. The proxy acts when the
//! callback has returned.

use super::HostHandle;
use crate::abi::{Answered, Status, StreamKind};
use crate::core::{Deferred, LocalReply};
use crate::gateway::stream::{Side, View};
use crate::rules::headers::Headers;

/// gRPC statuses go from 0 to 16; guests pass -1 for none.
const LAST_GRPC_STATUS: u32 = 16;

impl HostHandle {
    /// Lets a halted message go on. The request's maps and body are out of reach from then on.
    ///
    /// # Errors
    /// `BadArgument` and `Unimplemented` for TCP streams, and `BadArgument` for a root context.
    pub fn resume(&self, kind: StreamKind) -> Answered<()> {
        self.focused("continue_stream", |core, focus| {
            let side = match kind {
                StreamKind::Request => Side::Request,
                StreamKind::Response => Side::Response,
                StreamKind::Downstream => return Ok(()),
                StreamKind::Upstream => return Err(Status::Unimplemented),
            };
            // A root context has no stream to go on with; Envoy says Ok and does nothing.
            let Ok((stream, slot)) = core.exchange(focus) else {
                return Ok(());
            };
            let deferred = Deferred::Resume(stream.id, side, slot);
            if let Some(slot) = stream.slots.get_mut(slot) {
                let kept = slot.request.buffering;
                let View {
                    headers,
                    trailers,
                    body,
                    ..
                } = &mut slot.request;
                (*headers, *trailers, *body) = (false, false, None);
                slot.request.buffering = kept;
            }
            core.deferred.push(deferred);
            Ok(())
        })
    }

    /// Breaks the exchange off.
    ///
    /// # Errors
    /// None for streams that this host does not have: nothing happens.
    pub fn close(&self, kind: StreamKind) -> Answered<()> {
        self.focused("close_stream", |core, focus| {
            let http = matches!(kind, StreamKind::Request | StreamKind::Response);
            if let Ok((stream, _)) = core.exchange(focus)
                && http
            {
                let deferred = Deferred::Close(stream.id);
                core.deferred.push(deferred);
            }
            Ok(())
        })
    }

    /// Answers the client; the upstream is not asked, or its answer replaced. White space in
    /// `details` becomes underscores.
    ///
    /// # Errors
    /// None for a root context: nothing happens, as in Envoy.
    pub fn reply(
        &self,
        status: u32,
        details: &[u8],
        body: &[u8],
        headers: Headers,
        grpc_status: u32,
    ) -> Answered<()> {
        self.focused("send_local_response", |core, focus| {
            core.stop_next = true;
            let Ok((stream, _)) = core.exchange(focus) else {
                return Ok(());
            };
            let details = String::from_utf8_lossy(details);
            let reply = LocalReply {
                status: u16::try_from(status).map_err(|_| Status::BadArgument)?,
                headers,
                body: body.to_owned(),
                details: details
                    .chars()
                    .map(|c| if c.is_whitespace() { '_' } else { c })
                    .collect(),
                grpc_status: Some(grpc_status).filter(|status| *status <= LAST_GRPC_STATUS),
                flags: 0,
            };
            let deferred = Deferred::Reply(stream.id, reply);
            core.deferred.push(deferred);
            Ok(())
        })
    }
}
