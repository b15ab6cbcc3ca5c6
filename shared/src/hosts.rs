//! What proxies do otherwise than Envoy, in one place: the rules that the machine follows, as data,
//! and what stands between the machine and a proxy that has other ways ([`nginx`]).
//!
//! No filter asks for the proxy's name. What a filter must know it asks of [`Host::rules`]; the
//! rest is done here and in [`crate::vm`], so that a filter reads the same of a request wherever
//! it runs.
//!
//! [`Host::rules`]: crate::host::Host::rules

pub mod nginx;

use std::rc::Rc;

use crate::host::Proxy;

/// What a filter or the machine must know of the proxy.
#[derive(Debug, PartialEq, Eq)]
pub struct Rules {
    /// The callback of a request's headers says whether a body follows.
    pub tells_the_end_in_headers: bool,
    /// Headers that are held wait for the body. Elsewhere the body comes only when the headers
    /// have gone on, and the upstream waits for the callback of the body.
    pub holds_headers_for_bodies: bool,
    /// An exchange may be held for what comes outside of its own callbacks: the answer to a
    /// callout, or what the background fetches. Elsewhere only ticks make callouts.
    pub exchanges_may_wait: bool,
    /// A response can be held: its headers until its body is here, and its body until that is
    /// whole. Elsewhere both go on, but for what is taken out of them, and what is to become of a
    /// body is kept by the machine.
    pub holds_responses: bool,
    /// A local reply can take the place of a response that has begun.
    pub replies_to_responses: bool,
    /// Routes have metadata, which can choose a profile.
    pub routes_have_metadata: bool,
    /// A filter can change the request's path and host.
    pub changes_targets: bool,
    /// A refused configuration keeps traffic out, or the last good one in force. Elsewhere it
    /// opens the route: then the filter takes it and refuses every request.
    pub refused_configurations_are_safe: bool,
    /// An empty list in the configuration may arrive as `{}`.
    pub empty_lists_may_be_objects: bool,
    /// Shared data is a zone of a fixed size that the operator has to give, in which what was used
    /// least gives way. Without one, every look at it ends the VM: so nothing looks while it is
    /// configured, and nothing that can do without.
    pub shared_data_is_a_zone: bool,
    /// A running configuration is replaced, and told so. Elsewhere new workers begin, which know
    /// nothing of what the old ones had in memory.
    pub replaces_configurations: bool,
    /// What comes of a body after the exchange was resumed outside of its callbacks is lost, or
    /// goes on twice: what has waited in the middle of its body has to wait for its end.
    pub loses_data_after_resume: bool,
    /// When an exchange is over, the proxy says why.
    pub tells_endings: bool,
    /// Metrics can be defined only while a configuration is compiled.
    pub metrics_are_defined_at_start: bool,
}

/// Envoy, and what is made of it.
pub static ENVOY: Rules = Rules {
    tells_the_end_in_headers: true,
    holds_headers_for_bodies: true,
    holds_responses: true,
    exchanges_may_wait: true,
    replies_to_responses: true,
    routes_have_metadata: true,
    changes_targets: true,
    refused_configurations_are_safe: true,
    empty_lists_may_be_objects: false,
    shared_data_is_a_zone: false,
    replaces_configurations: true,
    loses_data_after_resume: true,
    tells_endings: true,
    metrics_are_defined_at_start: false,
};

/// Envoy, where the filters run as a dynamic module.
pub static ENVOY_MODULE: Rules = Rules {
    metrics_are_defined_at_start: true,
    ..ENVOY
};

/// The proxy as the machine is to see it: itself, or what stands before it. To be asked once for
/// each VM, while its first root context begins.
///
/// Every Envoy knows `plugin_vm_id`, in root contexts too, and nginx has it in no release; what it
/// says instead is not the same in all of them, so whoever does not know it is not taken for
/// Envoy. What tells nginx for certain (`ngx.nginx_version`) can be asked only within a request:
/// there [`nginx::Nginx`] asks for it, and lets nothing pass where it is not.
pub(crate) fn behind(proxy: Rc<dyn Proxy>) -> Rc<dyn Proxy> {
    match proxy.property(&["plugin_vm_id"]) {
        Ok(_) => proxy,
        Err(_) => Rc::new(nginx::Nginx::new(proxy)),
    }
}
