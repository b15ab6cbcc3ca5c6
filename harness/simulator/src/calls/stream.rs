//! What a filter decides about its exchange: continue, reply, reset. The proxy acts when the
//! callback has returned.

use super::HostHandle;
use crate::abi::{HostResult, Status, StreamKind};
use crate::core::{Deferred, LocalReply};
use crate::gateway::stream::{FilterView, Side};
use crate::rules::headers::Headers;

/// gRPC statuses go from 0 to 16; guests pass -1 for none.
const LAST_GRPC_STATUS: u32 = 16;

impl HostHandle {
    /// Continues a message that was stopped. The request's maps and body are out of reach from then
    /// on.
    ///
    /// # Errors
    /// `Unimplemented` for the upstream of a TCP filter.
    pub fn continue_stream(&self, kind: StreamKind) -> HostResult<()> {
        self.call_in_context("continue_stream", |core, at| {
            let side = match kind {
                StreamKind::Request => Side::Request,
                StreamKind::Response => Side::Response,
                StreamKind::Downstream => return Ok(()),
                StreamKind::Upstream => return Err(Status::Unimplemented),
            };
            if core.crashes_on_messages(at.context, at.vm) {
                return core.crash("resuming without an exchange");
            }
            let stays = core.profile.headers.request_stays_in_reach;
            // A root context has no stream to continue; Envoy says Ok and does nothing.
            let Ok((stream, filter)) = core.exchange(at) else {
                return Ok(());
            };
            let deferred = Deferred::Continue(stream.id, side, filter);
            if let Some(filter) = stream.filter_mut(filter).filter(|_| !stays) {
                let kept = filter.request.buffering;
                let FilterView {
                    headers,
                    trailers,
                    body,
                    ..
                } = &mut filter.request;
                (*headers, *trailers, *body) = (false, false, None);
                filter.request.buffering = kept;
            }
            core.deferred.push(deferred);
            Ok(())
        })
    }

    /// Resets the exchange. For TCP streams and in a root context nothing happens.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn close_stream(&self, kind: StreamKind) -> HostResult<()> {
        self.call_in_context("close_stream", |core, at| {
            core.optional()?;
            let http = matches!(kind, StreamKind::Request | StreamKind::Response);
            if let Ok((stream, _)) = core.exchange(at)
                && http
            {
                let deferred = Deferred::Reset(stream.id);
                core.deferred.push(deferred);
            }
            Ok(())
        })
    }

    /// Answers the client; the upstream is not asked, or its answer replaced. White space in
    /// `details` becomes underscores.
    ///
    /// In a root context nothing happens, as in Envoy.
    ///
    /// # Errors
    /// `BadArgument` for a status above 65535, `InternalFailure` outside of callbacks.
    pub fn send_local_response(
        &self,
        status: u32,
        details: &[u8],
        body: &[u8],
        headers: Headers,
        grpc_status: u32,
    ) -> HostResult<()> {
        self.call_in_context("send_local_response", |core, at| {
            if core.crashes_on_messages(at.context, at.vm) {
                return core.crash("a local response without an exchange");
            }
            let traps = core.profile.trapping_calls;
            if core.in_response() && traps.local_response_in_response
                || core.stop_iteration && traps.second_local_response
            {
                return core.trap("no local response can be sent now");
            }
            core.stop_iteration = true;
            let Ok((stream, _)) = core.exchange(at) else {
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
            let deferred = Deferred::LocalReply(stream.id, reply);
            core.deferred.push(deferred);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    const EVERY: [Phase; 4] = [
        Phase::Tick,
        Phase::RequestHeaders,
        Phase::Callout,
        Phase::Log,
    ];

    #[test]
    fn continue_stream_continues_http_and_knows_no_tcp_upstream() {
        let resume = |phase, kind| during(phase, move |host| host.continue_stream(kind));
        for phase in EVERY {
            for kind in [
                StreamKind::Request,
                StreamKind::Response,
                StreamKind::Downstream,
            ] {
                assert_eq!(resume(phase, kind), Ok(()), "{kind:?} in {phase:?}");
            }
            let unknown = resume(phase, StreamKind::Upstream);
            assert_eq!(unknown, Err(Status::Unimplemented), "{phase:?}");
        }
        let outside = resume(Phase::Start, StreamKind::Request);
        assert_eq!(outside, Err(Status::InternalFailure));
    }

    #[test]
    fn continue_stream_puts_the_request_out_of_reach() {
        let after = during(Phase::RequestHeaders, |host| {
            host.continue_stream(StreamKind::Request)?;
            host.property(b"request\0headers\0x-twice")
        });
        assert_eq!(after, Err(Status::NotFound));
    }

    #[test]
    fn close_stream_resets_http_and_ignores_the_rest() {
        let close = |phase, kind| during(phase, move |host| host.close_stream(kind));
        for phase in EVERY {
            for kind in [StreamKind::Request, StreamKind::Upstream] {
                assert_eq!(close(phase, kind), Ok(()), "{kind:?} in {phase:?}");
            }
        }
        let outside = close(Phase::Start, StreamKind::Request);
        assert_eq!(outside, Err(Status::InternalFailure));
    }

    #[test]
    fn send_local_response_takes_any_status_of_16_bits() {
        let reply = |phase, status| {
            during(phase, move |host| {
                host.send_local_response(status, b"why not", b"", Headers::new(), u32::MAX)
            })
        };
        assert_eq!(reply(Phase::RequestHeaders, 403), Ok(()));
        assert_eq!(
            reply(Phase::RequestHeaders, 70_000),
            Err(Status::BadArgument)
        );
        assert_eq!(
            reply(Phase::Tick, 70_000),
            Ok(()),
            "no exchange: nothing happens"
        );
        assert_eq!(reply(Phase::Start, 403), Err(Status::InternalFailure));
    }
}
