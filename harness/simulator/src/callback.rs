//! The callbacks of the proxy-wasm ABI, and their arguments.

use crate::ids::{CalloutToken, ContextId, QueueId};

/// A callback of the proxy-wasm ABI, with the context that it is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// `proxy_on_context_create`; the parent of a root context is 0.
    ContextCreate {
        /// The context's parent.
        parent: ContextId,
    },
    /// `proxy_on_vm_start`.
    VmStart {
        /// Bytes of the VM's configuration.
        size: u32,
    },
    /// `proxy_on_configure`.
    Configure {
        /// Bytes of the plugin's configuration.
        size: u32,
    },
    /// `proxy_on_request_headers`.
    RequestHeaders {
        /// How many headers.
        count: u32,
        /// Whether nothing follows.
        end: bool,
    },
    /// `proxy_on_request_body`.
    RequestBody {
        /// Bytes at hand.
        size: u32,
        /// Whether nothing follows.
        end: bool,
    },
    /// `proxy_on_request_trailers`.
    RequestTrailers {
        /// How many trailers.
        count: u32,
    },
    /// `proxy_on_response_headers`.
    ResponseHeaders {
        /// How many headers.
        count: u32,
        /// Whether nothing follows.
        end: bool,
    },
    /// `proxy_on_response_body`.
    ResponseBody {
        /// Bytes at hand.
        size: u32,
        /// Whether nothing follows.
        end: bool,
    },
    /// `proxy_on_response_trailers`.
    ResponseTrailers {
        /// How many trailers.
        count: u32,
    },
    /// `proxy_on_http_call_response`; all zero after a failure.
    HttpCallResponse {
        /// Number of the callout.
        token: CalloutToken,
        /// How many headers.
        headers: u32,
        /// Bytes of the body.
        body: u32,
        /// How many trailers.
        trailers: u32,
    },
    /// `proxy_on_tick`.
    Tick,
    /// `proxy_on_queue_ready`.
    QueueReady {
        /// Number of the queue.
        queue: QueueId,
    },
    /// `proxy_on_done`.
    Done,
    /// `proxy_on_log`.
    Log,
    /// `proxy_on_delete`.
    Delete,
}

/// The arguments of a callback as the ABI passes them, the context first.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    values: [u32; 5],
    used: usize,
}

impl Arguments {
    /// The arguments in use.
    pub fn as_slice(&self) -> &[u32] {
        self.values.get(..self.used).unwrap_or(&self.values)
    }
}

impl Callback {
    /// The name of the guest's export.
    pub const fn export(&self) -> &'static str {
        match self {
            Self::ContextCreate { .. } => "proxy_on_context_create",
            Self::VmStart { .. } => "proxy_on_vm_start",
            Self::Configure { .. } => "proxy_on_configure",
            Self::RequestHeaders { .. } => "proxy_on_request_headers",
            Self::RequestBody { .. } => "proxy_on_request_body",
            Self::RequestTrailers { .. } => "proxy_on_request_trailers",
            Self::ResponseHeaders { .. } => "proxy_on_response_headers",
            Self::ResponseBody { .. } => "proxy_on_response_body",
            Self::ResponseTrailers { .. } => "proxy_on_response_trailers",
            Self::HttpCallResponse { .. } => "proxy_on_http_call_response",
            Self::Tick => "proxy_on_tick",
            Self::QueueReady { .. } => "proxy_on_queue_ready",
            Self::Done => "proxy_on_done",
            Self::Log => "proxy_on_log",
            Self::Delete => "proxy_on_delete",
        }
    }

    /// The arguments of the guest's export.
    pub const fn arguments(&self, context: ContextId) -> Arguments {
        let (rest, used) = match *self {
            Self::ContextCreate { parent } => ([parent.0, 0, 0, 0], 2),
            Self::VmStart { size } | Self::Configure { size } => ([size, 0, 0, 0], 2),
            Self::RequestHeaders { count, end } | Self::ResponseHeaders { count, end } => {
                ([count, end as u32, 0, 0], 3)
            }
            Self::RequestBody { size, end } | Self::ResponseBody { size, end } => {
                ([size, end as u32, 0, 0], 3)
            }
            Self::RequestTrailers { count } | Self::ResponseTrailers { count } => {
                ([count, 0, 0, 0], 2)
            }
            Self::HttpCallResponse {
                token,
                headers,
                body,
                trailers,
            } => ([token.0, headers, body, trailers], 5),
            Self::QueueReady { queue } => ([queue.0, 0, 0, 0], 2),
            Self::Tick | Self::Done | Self::Log | Self::Delete => ([0; 4], 1),
        };
        let [a, b, c, d] = rest;
        Arguments {
            values: [context.0, a, b, c, d],
            used,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_passed_as_the_abi_orders_them() {
        assert_eq!(Callback::Tick.arguments(ContextId(2)).as_slice(), [2]);
        assert_eq!(
            Callback::RequestHeaders {
                count: 7,
                end: true
            }
            .arguments(ContextId(3))
            .as_slice(),
            [3, 7, 1]
        );
        let answer = Callback::HttpCallResponse {
            token: CalloutToken(4),
            headers: 1,
            body: 9,
            trailers: 0,
        };
        assert_eq!(answer.arguments(ContextId(2)).as_slice(), [2, 4, 1, 9, 0]);
    }
}
