//! HTTP callouts: a filter's own requests. They belong to the root context; their answers are
//! delivered there, whatever has become of the exchange that asked.

use std::time::Duration;

use super::HostHandle;
use crate::abi::{HostResult, Status};
use crate::callback::Callback;
use crate::core::Purpose;
use crate::ids::CalloutToken;
use crate::network::Outbound;
use crate::rules::headers::Headers;
use crate::schedule::TimedEvent;
use crate::vm::{CalloutResponse, ContextRef};

impl HostHandle {
    /// Sends a request to a cluster; the answer comes with the returned number. A time-out of 0
    /// means none.
    ///
    /// # Errors
    /// `BadArgument` for an unknown cluster, without `:method`, `:path` or `:authority`, and for a
    /// time-out that is negative as a signed number.
    pub fn http_call(
        &self,
        cluster: &[u8],
        headers: Headers,
        body: &[u8],
        trailers: Headers,
        timeout_ms: u32,
    ) -> HostResult<CalloutToken> {
        self.call_in_context("http_call", |core, at| {
            let running = core.running.map(|running| running.callback);
            let over = matches!(
                running,
                Some(Callback::Log | Callback::Done | Callback::Delete)
            );
            if over && core.profile.crashes.callout_after_the_end {
                return core.crash("a callout after the end of its exchange");
            }
            if core.profile.trapping_calls.callout_outside_of_requests
                && !running.is_some_and(may_call_out)
            {
                return core.trap("no callout can be made now");
            }
            if i32::try_from(timeout_ms).is_err() {
                return Err(Status::BadArgument);
            }
            let cluster = std::str::from_utf8(cluster).map_err(|_| Status::BadArgument)?;
            let named = |name| headers.first(name).is_some();
            let known = core.network.has_cluster(cluster);
            if !known && !core.profile.callouts.unknown_cluster_fails_later
                || ![":method", ":path", ":authority"].into_iter().all(named)
            {
                return Err(Status::BadArgument);
            }
            let mut headers = headers.clone();
            if !body.is_empty() {
                headers.set("content-length", body.len().to_string());
            }
            let vm = core.vm_mut(at.vm).ok_or(Status::InternalFailure)?;
            let context = vm.root_id(at.context).ok_or(Status::InternalFailure)?;
            let root = ContextRef {
                vm: at.vm,
                generation: vm.generation,
                context,
            };
            let token = vm.next_call();
            if let Some(running) = &mut core.running {
                running.called_out = true;
            }
            let has_trailers = !trailers.is_empty();
            let request = Outbound {
                cluster: cluster.to_owned(),
                headers,
                body: body.to_owned(),
                trailers: Some(trailers).filter(|trailers| !trailers.is_empty()),
                complete: false,
                bodiless: body.is_empty() && !has_trailers,
                upgrade: false,
            };
            let purpose = Purpose::Callout {
                root,
                token,
                answer: CalloutResponse::default(),
                asked_by: core.exchange_of(at.vm, at.context),
            };
            if !known {
                core.refuse_request(request, purpose);
                return Ok(token);
            }
            let outbound = core.open_request(request, purpose);
            core.complete_request(outbound);
            if timeout_ms > 0 {
                core.schedule_after(
                    Duration::from_millis(timeout_ms.into()),
                    TimedEvent::CalloutTimeout(outbound),
                );
            }
            Ok(token)
        })
    }

    /// Why the answer at hand has no headers: a raw status and a word. 0 and nothing when it has
    /// some, or when there is none.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn callout_status(&self) -> HostResult<(u32, &'static str)> {
        const BROKEN_CONNECTION: u32 = 9;
        self.call_in_context("get_status", |core, at| {
            core.optional()?;
            let failed = core.root(at)?.call_failed;
            Ok(if failed {
                (BROKEN_CONNECTION, "reset")
            } else {
                (0, "")
            })
        })
    }
}

/// Callbacks in which nginx lets a filter call out.
const fn may_call_out(callback: Callback) -> bool {
    matches!(
        callback,
        Callback::RequestHeaders { .. }
            | Callback::RequestBody { .. }
            | Callback::HttpCallResponse { .. }
            | Callback::Tick
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during, request};
    use super::*;

    fn call(
        phase: Phase,
        cluster: &'static str,
        headers: Headers,
        timeout_ms: u32,
    ) -> HostResult<CalloutToken> {
        during(phase, move |host| {
            host.http_call(
                cluster.as_bytes(),
                headers.clone(),
                b"",
                Headers::new(),
                timeout_ms,
            )
        })
    }

    #[test]
    fn http_call_gives_tokens_in_steps_of_four() {
        let first = call(Phase::Configure, "idp", request(), 0);
        assert_eq!(first, Ok(CalloutToken(4)));
        let later = call(Phase::ResponseHeaders, "idp", request(), 100);
        assert_eq!(later.map(|token| token.0 % 4), Ok(0));
    }

    #[test]
    fn http_call_refuses_what_cannot_be_sent() {
        let bad = Err(Status::BadArgument);
        assert_eq!(call(Phase::RequestHeaders, "nobody", request(), 0), bad);
        assert_eq!(call(Phase::RequestHeaders, "idp", request(), u32::MAX), bad);
        for missing in [":method", ":path", ":authority"] {
            let mut headers = request();
            headers.remove(missing);
            assert_eq!(
                call(Phase::RequestHeaders, "idp", headers, 0),
                bad,
                "{missing}"
            );
        }
        assert_eq!(
            during(Phase::Tick, |host| host.http_call(
                b"\xff",
                request(),
                b"",
                Headers::new(),
                0
            )),
            bad
        );
    }

    #[test]
    fn http_call_needs_a_callback() {
        assert_eq!(
            call(Phase::Start, "idp", request(), 0),
            Err(Status::InternalFailure)
        );
    }

    #[test]
    fn get_status_tells_why_a_callout_has_no_headers() {
        let status = |phase| during(phase, HostHandle::callout_status);
        assert_eq!(status(Phase::BrokenCallout), Ok((9, "reset")));
        assert_eq!(status(Phase::Callout), Ok((0, "")));
        assert_eq!(status(Phase::RequestHeaders), Ok((0, "")));
        assert_eq!(status(Phase::Start), Err(Status::InternalFailure));
    }
}
