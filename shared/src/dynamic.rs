//! The second form of the filters: an Envoy dynamic module, a shared library that Envoy loads as
//! `envoy.filters.http.dynamic_modules`. The one place that knows that interface.
//!
//! Envoy calls the module's hooks ([`hooks`]) on its worker threads, and on the main thread for
//! what concerns the configuration. An [`entry`] is one filter entry of Envoy's configuration; each
//! thread that serves it has a [`worker`] with a [`Vm`](crate::vm::Vm) of its own. What the VM asks
//! of the proxy is answered by [`proxy`], with the calls of [`envoy`] over the table of functions
//! in [`abi`].
//!
//! HTTP filters have no timers in this interface. One thread (`ticker`) wakes the main thread,
//! which runs the background work of all workers ([`background`]): that of a worker without held
//! exchanges at once, that of any other through one of its held exchanges, on its own thread.

pub mod abi;
pub mod after;
pub mod background;
pub mod entry;
pub mod envoy;
mod export;
#[cfg(test)]
mod fake;
mod handed;
pub mod hooks;
pub mod pool;
pub mod proxy;
pub mod settings;
mod store;
#[cfg(test)]
mod tests;
mod ticker;
pub mod worker;
