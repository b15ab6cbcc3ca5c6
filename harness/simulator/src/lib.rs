//! A simulated proxy: one gateway core that drives filters of any kind through HTTP exchanges in
//! virtual time.
//!
//! It knows chains, pausing, resuming and buffering, callouts, timers, shared data, metrics,
//! properties, local replies, traps and reloads, by the rules of a [`Profile`]. It knows neither
//! WebAssembly nor sockets: guests come as [`GuestCode`], the world behind the proxy as a
//! [`Network`]. All that can be observed lands on one [`Timeline`]. Nothing here sleeps or reads a
//! clock; a run repeats exactly.

pub mod abi;
pub mod access_log;
mod agenda;
mod attribute;
mod builder;
mod calls;
mod chain;
mod core;
mod gateway;
mod guest;
mod headers;
mod metric;
mod mutation;
mod network;
mod own;
pub mod path;
mod plugin;
pub mod profile;
pub mod protobuf;
pub mod random;
mod reconfigure;
mod reply;
mod request;
mod route;
mod router;
mod run;
#[cfg(feature = "serve")]
pub mod serve;
mod shared;
mod show;
mod signature;
mod stream;
#[cfg(test)]
mod tests;
mod threads;
mod timeline;
mod vm;

pub use builder::{BuildError, Builder};
pub use calls::HostHandle;
pub use gateway::Gateway;
pub use guest::{Arguments, Callback, Guest, GuestCode, Trap};
pub use headers::Headers;
pub use metric::Metric;
pub use mutation::{Addition, AppendAction, HeaderChanges, Mutation, Template};
pub use network::{Answer, Arrivals, Ending, Inbound, Network, Outbound, Reply, Script};
pub use own::{Injector, Mutations, OwnFilter};
pub use plugin::{FailurePolicy, FilterSpec};
pub use profile::Profile;
pub use request::{Answer as ClientAnswer, Connection, Outcome, Request};
pub use route::{Metadata, PathMatch, Rewrite, Route, Switches, VirtualHost};
pub use timeline::{Event, FlightId, LogLine, Record, StreamId, Timeline};
