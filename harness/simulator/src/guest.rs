//! What the proxy asks of a guest: one VM instance on one thread, entered through callbacks,
//! leaving through traps.
//!
//! The proxy does not know whether a guest is WebAssembly or native code. Host calls come back
//! through the [`HostHandle`] that the guest was started with, while the callback is running.

use std::collections::BTreeMap;
use std::fmt;

use crate::callback::Callback;
use crate::calls::HostHandle;
use crate::ids::ContextId;

/// A guest that must not be entered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What happened, in the words of the engine.
    pub message: String,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// One VM instance.
pub trait Guest {
    /// Enters a callback. `None` when the guest does not have it.
    ///
    /// # Errors
    /// [`Trap`]: the guest is lost and its memory may be in any state.
    fn invoke(&mut self, context: ContextId, callback: Callback) -> Result<Option<u32>, Trap>;

    /// Instructions executed by the last callback, where the engine counts them.
    fn fuel(&self) -> Option<u64> {
        None
    }

    /// Bytes of the guest's own memory, where it has one. It never shrinks: this is also the most
    /// that it has needed.
    fn memory_bytes(&self) -> Option<u64> {
        None
    }
}

/// Code of which guests are started, one for each thread.
pub trait GuestCode {
    /// Identifies the code: filters with the same code and `vm_id` share a VM.
    fn identity(&self) -> String;

    /// Whether it is a filter of the proxy's own, which sees answers to requests that it has not
    /// seen. A Wasm filter has no context there.
    fn sees_every_response(&self) -> bool {
        false
    }

    /// Starts an instance and runs its initialisers.
    ///
    /// # Errors
    /// Why it cannot run, for the operator.
    fn start(
        &self,
        host: HostHandle,
        environment: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String>;
}
