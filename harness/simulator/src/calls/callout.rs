//! HTTP callouts: a filter's own requests. They belong to the root context; their answers are
//! delivered there, whatever has become of the exchange that asked.

use std::time::Duration;

use super::HostHandle;
use crate::abi::{Answered, Status};
use crate::agenda::Due;
use crate::core::Purpose;
use crate::network::Outbound;
use crate::rules::headers::Headers;
use crate::vm::{CallAnswer, ContextRef};

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
    ) -> Answered<u32> {
        self.focused("http_call", |core, focus| {
            if i32::try_from(timeout_ms).is_err() {
                return Err(Status::BadArgument);
            }
            let cluster = std::str::from_utf8(cluster).map_err(|_| Status::BadArgument)?;
            let named = |name| headers.first(name).is_some();
            if !core.network.knows(cluster)
                || ![":method", ":path", ":authority"].into_iter().all(named)
            {
                return Err(Status::BadArgument);
            }
            let mut headers = headers.clone();
            if !body.is_empty() {
                headers.set("content-length", body.len().to_string());
            }
            let vm = core.vm_mut(focus.vm).ok_or(Status::InternalFailure)?;
            let context = vm
                .root_number(focus.context)
                .ok_or(Status::InternalFailure)?;
            let root = ContextRef {
                vm: focus.vm,
                generation: vm.generation,
                context,
            };
            let token = vm.next_call();
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
            let flight = core.open_flight(
                request,
                Purpose::Callout {
                    root,
                    token,
                    answer: CallAnswer::default(),
                },
            );
            core.complete_flight(flight);
            if timeout_ms > 0 {
                core.after(
                    Duration::from_millis(timeout_ms.into()),
                    Due::CallTimeout(flight),
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
    pub fn call_status(&self) -> Answered<(u32, &'static str)> {
        const BROKEN_CONNECTION: u32 = 9;
        self.focused("get_status", |core, focus| {
            let failed = core.root(focus)?.call_failed;
            Ok(if failed {
                (BROKEN_CONNECTION, "reset")
            } else {
                (0, "")
            })
        })
    }
}
