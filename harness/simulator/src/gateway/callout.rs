//! Callouts under way: what their targets answer, how they fail, and what follows for the exchange
//! that has asked.

use crate::callback::Callback;
use crate::core::{Core, Deferred, Purpose};
use crate::gateway::Gateway;
use crate::gateway::router::{REFUSED, RESET, TIMED_OUT};
use crate::gateway::stream::Side;
use crate::gateway::threads::CallbackResult;
use crate::ids::{ContextId, OutboundId, PluginId, StreamId};
use crate::network::Inbound;
use crate::rules::headers::Headers;
use crate::vm::{CalloutResponse, ContextRef};

/// Why a callout has failed: the answer that the proxy makes, or the word for it.
struct Failure {
    status: u16,
    text: &'static str,
    word: &'static str,
}

const CANNOT_CONNECT: Failure = Failure {
    status: 503,
    text: REFUSED,
    word: "broken connection",
};
const BROKEN: Failure = Failure {
    text: RESET,
    ..CANNOT_CONNECT
};
const TOO_LATE: Failure = Failure {
    status: 504,
    text: TIMED_OUT,
    word: "timeout",
};

impl Gateway {
    /// Something arrives in answer to a callout.
    pub(super) fn on_callout_inbound(&mut self, outbound: OutboundId, arrival: Inbound) {
        let failure = {
            let mut core = self.core.borrow_mut();
            let Some(answer) = answer_mut(&mut core, outbound) else {
                return;
            };
            match arrival {
                Inbound::Head { headers, end } => {
                    answer.headers = Some(headers);
                    end.then_some(None)
                }
                Inbound::Body { bytes, end } => {
                    answer.body.extend(bytes);
                    end.then_some(None)
                }
                Inbound::Trailers(trailers) => {
                    answer.trailers = Some(trailers);
                    Some(None)
                }
                Inbound::Refused => Some(Some(CANNOT_CONNECT)),
                // Before its head, a broken answer is an answer of the proxy; after it, none at
                // all.
                Inbound::Reset if answer.headers.is_none() => Some(Some(BROKEN)),
                Inbound::Reset => {
                    *answer = CalloutResponse::default();
                    Some(None)
                }
            }
        };
        match failure {
            Some(Some(failure)) => self.fail_callout(outbound, &failure, false),
            Some(None) => self.deliver_callout_response(outbound, false),
            None => {}
        }
    }

    /// A callout takes too long.
    pub(super) fn on_callout_timeout(&mut self, outbound: OutboundId) {
        self.fail_callout(outbound, &TOO_LATE, true);
    }

    fn fail_callout(&mut self, outbound: OutboundId, failure: &Failure, reset: bool) {
        {
            let mut core = self.core.borrow_mut();
            let no_headers = core.profile.callouts.failures_have_no_headers;
            if let Some(answer) = answer_mut(&mut core, outbound) {
                *answer = if no_headers {
                    CalloutResponse {
                        dispatch_status: Some(failure.word),
                        ..CalloutResponse::default()
                    }
                } else {
                    local_response(failure)
                };
            }
        }
        self.deliver_callout_response(outbound, reset);
    }

    /// Hands a callout's answer to its root context.
    fn deliver_callout_response(&mut self, outbound: OutboundId, reset: bool) {
        let Some(closed) = self.core.borrow_mut().close_request(outbound, reset) else {
            return;
        };
        if self.core.borrow().keeps_history {
            self.callouts.push(closed.request);
        }
        let Purpose::Callout {
            root,
            token,
            answer,
            asked_by,
        } = closed.purpose
        else {
            return;
        };
        let count = |map: &Option<Headers>| map.as_ref().map_or(0, Headers::count);
        let callback = Callback::HttpCallResponse {
            token,
            headers: count(&answer.headers),
            body: u32::try_from(answer.body.len()).unwrap_or(u32::MAX),
            trailers: count(&answer.trailers),
        };
        let failed = answer.headers.is_none();
        self.set_callout_response(root, Some(answer), failed);
        let result = self.invoke_for(root, callback, self.asking_context(root, asked_by));
        self.set_callout_response(root, None, false);
        if let Some((stream, filter)) = asked_by {
            self.continue_after_callout(stream, filter, result);
        }
    }

    /// The context of the exchange that has asked, where host calls in the answer act on it.
    fn asking_context(
        &self,
        root: ContextRef,
        asked_by: Option<(StreamId, PluginId)>,
    ) -> Option<ContextId> {
        if !self.core.borrow().profile.contexts_are_fixed {
            return None;
        }
        let (stream, filter) = asked_by?;
        let context = self.stream(stream, |stream| stream.filter(filter)?.context)??;
        let same = (context.vm, context.generation) == (root.vm, root.generation);
        same.then_some(context.context)
    }

    /// Gives up the callouts of an exchange that is over or answered, on hosts that do so.
    pub(super) fn give_up_callouts(&self, id: StreamId) {
        let mut core = self.core.borrow_mut();
        if !core.profile.callouts.end_with_their_exchange {
            return;
        }
        let open = core.requests.iter().filter(|(_, request)| {
            matches!(&request.purpose, Purpose::Callout { asked_by: Some((stream, _)), .. } if *stream == id)
        });
        let open: Vec<OutboundId> = open.map(|(outbound, _)| *outbound).collect();
        for outbound in open {
            core.close_request(outbound, true);
        }
    }

    /// Continues a request whose last callout is over, on hosts that do so unasked.
    fn continue_after_callout(&mut self, id: StreamId, filter: PluginId, result: CallbackResult) {
        let continues = {
            let core = self.core.borrow();
            match result {
                CallbackResult::Trapped => core.profile.traps.callout_continues,
                CallbackResult::Returned(_) => {
                    core.profile.callouts.last_one_continues_the_request
                        && !has_open_callout(&core, (id, filter))
                }
            }
        };
        if !continues {
            return;
        }
        if result == CallbackResult::Trapped {
            self.stream(id, |stream| {
                if let Some(filter) = stream.filter_mut(filter) {
                    filter.failed = true;
                }
            });
        }
        // After whatever the filter itself has asked for.
        let deferred = Deferred::Continue(id, Side::Request, filter);
        self.core.borrow_mut().deferred.push(deferred);
    }

    fn set_callout_response(
        &self,
        root: ContextRef,
        answer: Option<CalloutResponse>,
        failed: bool,
    ) {
        let mut core = self.core.borrow_mut();
        if core.is_alive(root)
            && let Some(root) = core
                .vm_mut(root.vm)
                .and_then(|vm| vm.root_mut(root.context))
        {
            root.answer = answer.filter(|answer| !failed || answer.dispatch_status.is_some());
            root.call_failed = failed;
        }
    }
}

fn answer_mut(core: &mut Core, outbound: OutboundId) -> Option<&mut CalloutResponse> {
    match &mut core.requests.get_mut(&outbound)?.purpose {
        Purpose::Callout { answer, .. } => Some(answer),
        Purpose::Upstream(_) => None,
    }
}

fn has_open_callout(core: &Core, of: (StreamId, PluginId)) -> bool {
    core.requests.values().any(|request| {
        matches!(&request.purpose, Purpose::Callout { asked_by, .. } if *asked_by == Some(of))
    })
}

/// An answer of the proxy in place of a callout's target.
fn local_response(failure: &Failure) -> CalloutResponse {
    let mut headers = Headers::new();
    headers.add(":status", failure.status.to_string());
    headers.add("content-length", failure.text.len().to_string());
    headers.add("content-type", "text/plain");
    CalloutResponse {
        headers: Some(headers),
        body: failure.text.as_bytes().to_vec(),
        ..CalloutResponse::default()
    }
}
