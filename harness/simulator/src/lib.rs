//! A simulated proxy: one gateway core that drives filters of any kind through HTTP exchanges in
//! virtual time.
//!
//! It knows chains, pausing, resuming and buffering, callouts, timers, shared data, metrics,
//! properties, local replies, traps and reloads, by the rules of a [`Profile`]. It knows neither
//! WebAssembly nor sockets: guests come as [`GuestCode`], the world behind the proxy as a
//! [`Network`]. All that can be observed lands on one [`Timeline`]. Nothing here sleeps or reads a
//! clock; a run repeats exactly.

#![deny(rustdoc::all)]

pub mod abi;
pub mod access_log;
mod builder;
mod builtin;
mod callback;
mod calls;
mod core;
mod filter_spec;
mod gateway;
mod guest;
mod ids;
mod metric;
mod network;
mod plugin;
pub mod protobuf;
pub mod random;
mod rules;
mod schedule;
#[cfg(feature = "serve")]
pub mod serve;
mod shared;
#[cfg(test)]
mod tests;
mod timeline;
mod vm;

pub use builder::Builder;
pub use builtin::{BuiltinFilter, CredentialInjector, HeaderMutations, HealthCheck};
pub use callback::{Arguments, Callback};
pub use calls::HostHandle;
pub use filter_spec::FilterSpec;
pub use gateway::Gateway;
pub use gateway::request::{ClientResponse, Connection, Outcome, Request};
pub use gateway::start::BuildError;
pub use guest::{Guest, GuestCode, Trap};
pub use ids::{CalloutToken, ContextId, MetricId, OutboundId, QueueId, StreamId, WorkerId};
pub use metric::Metric;
pub use network::{Answer, Arrivals, Ending, Inbound, Network, Outbound, Reply, Script};
pub use plugin::FailurePolicy;
pub use rules::condition::{HeaderCondition, Pattern, Wanted};
pub use rules::headers::Headers;
pub use rules::mutation::{Addition, AppendAction, HeaderChanges, Mutation, Template};
pub use rules::profile::Profile;
pub use rules::route::{
    DirectResponse, Metadata, PathMatch, RegexRewrite, Rewrite, Route, Switches, VirtualHost,
};
pub use rules::{path, profile};
pub use timeline::{Event, LogLine, Record, Timeline};
