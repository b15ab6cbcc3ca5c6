//! Numbers that name things, each of a type of its own, so that none is taken for another.

macro_rules! id {
    ($(#[$about:meta])* $visibility:vis $name:ident($field:vis $raw:ty)) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        $visibility struct $name($field $raw);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A context of a VM, as callbacks and host calls name it. 0 stands for the parent of root
    /// contexts and for no context at all.
    pub ContextId(pub u32)
}

id! {
    /// A callout, as `proxy_http_call` and `proxy_on_http_call_response` name it. The two low bits
    /// are 0, which tells it from gRPC calls and streams.
    pub CalloutToken(pub u32)
}

id! {
    /// A shared queue.
    pub QueueId(pub u32)
}

id! {
    /// A metric. The two low bits are its [`crate::abi::MetricKind`].
    pub MetricId(pub u32)
}

id! {
    /// An exchange, counted from 1.
    pub StreamId(pub u64)
}

id! {
    /// A request that the proxy sent, to an upstream or to a callout's target; counted from 1.
    pub OutboundId(pub u64)
}

id! {
    /// A worker thread, counted from 0.
    pub WorkerId(pub usize)
}

id! {
    /// A plugin, by its place in the chain.
    pub(crate) PluginId(pub usize)
}

id! {
    /// A VM of the gateway.
    pub(crate) VmId(pub usize)
}

impl StreamId {
    /// The id of the exchange that begins next.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl OutboundId {
    /// The id of the request that is sent next.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
