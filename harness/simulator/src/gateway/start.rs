//! The start of a gateway.

use std::fmt;

use super::Gateway;
use crate::ids::VmId;
use crate::rules::profile::RefusedPlugin;

/// Why a gateway does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// The filter that does not start.
    pub filter: String,
    /// Why.
    pub problem: String,
    /// What it wrote to the log.
    pub log: Vec<String>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter {} does not start: {}", self.filter, self.problem)?;
        self.log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for BuildError {}

impl Gateway {
    /// Starts every VM and configures every filter; where the proxy goes on without those that do
    /// not start, it goes on without any.
    pub(crate) fn start(&mut self) -> Result<(), BuildError> {
        let started = self.start_all();
        let goes_on = self.core.borrow().profile.refused_plugin == RefusedPlugin::OpensTheProxy;
        if started.is_err() && goes_on {
            let mut core = self.core.borrow_mut();
            core.plugins.clear();
            core.vms.clear();
            return Ok(());
        }
        started
    }

    /// Starts every VM.
    fn start_all(&mut self) -> Result<(), BuildError> {
        for vm in 0..self.guests.len() {
            self.start_vm(VmId(vm)).map_err(|(plugin, problem)| {
                let core = self.core.borrow();
                let filter = core
                    .plugin(plugin)
                    .map(|plugin| plugin.name.clone())
                    .unwrap_or_default();
                BuildError {
                    filter,
                    problem,
                    log: core.timeline.logs().map(|line| line.text.clone()).collect(),
                }
            })?;
            self.run_pending();
        }
        Ok(())
    }
}
