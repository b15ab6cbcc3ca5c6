//! A filter as the operator configures it.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::guest::GuestCode;
use crate::plugin::{FailurePolicy, Plugin};

/// A filter of the chain.
#[derive(Clone)]
pub struct FilterSpec {
    /// Its name, unique in the chain.
    pub name: String,
    /// Which filter of the module (`root_id`).
    pub root_id: String,
    /// Filters with the same id and code share a VM and, by the id alone, shared data (`vm_id`).
    pub vm_id: String,
    /// The code.
    pub code: Rc<dyn GuestCode>,
    /// The plugin's configuration.
    pub configuration: Vec<u8>,
    /// The VM's configuration.
    pub vm_configuration: Vec<u8>,
    /// Environment variables of the VM.
    pub environment: BTreeMap<String, String>,
    /// What happens after a trap.
    pub failure_policy: FailurePolicy,
    /// Whether `Pause` in a headers callback stops the headers alone; `None` = as the profile says.
    pub allow_on_headers_stop_iteration: Option<bool>,
    /// Not part of the chain unless a route or host switches it on.
    pub disabled: bool,
}

impl FilterSpec {
    /// A filter with this name and code and nothing else.
    pub fn new(name: &str, code: Rc<dyn GuestCode>) -> Self {
        Self {
            name: name.to_owned(),
            root_id: String::new(),
            vm_id: String::new(),
            code,
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            environment: BTreeMap::new(),
            failure_policy: FailurePolicy::default(),
            allow_on_headers_stop_iteration: None,
            disabled: false,
        }
    }

    /// With this configuration.
    #[must_use]
    pub fn configuration(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.configuration = bytes.into();
        self
    }

    /// With this policy after traps.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.failure_policy = policy;
        self
    }

    /// With one more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Filters that may share a VM have the same key.
    pub(crate) fn vm_key(&self) -> impl PartialEq + use<> {
        (
            self.vm_id.clone(),
            self.code.identity(),
            self.vm_configuration.clone(),
            self.environment.clone(),
        )
    }

    /// What the running proxy keeps of it.
    pub(crate) fn plugin(&self, allow_on_headers_stop_iteration: bool) -> Plugin {
        Plugin {
            name: self.name.clone(),
            root_id: self.root_id.clone(),
            configuration: self.configuration.clone(),
            failure_policy: self.failure_policy,
            allow_on_headers_stop_iteration,
            disabled: self.disabled,
        }
    }
}
