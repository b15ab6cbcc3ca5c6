//! How much a chain works for a scenario's request: instructions, entries and host calls, counted
//! in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Play, Simulated};
use crate::file::{Scenario, Step, Traffic};
use proxy_wasm_simulator::Event;

/// What one filter did for a number of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Instructions in callbacks of requests.
    pub instructions: u64,
    /// Instructions in callbacks that belong to no request: timers, and answers to what a timer has
    /// sent.
    pub background: u64,
    /// Entries from the proxy into the filter, for requests.
    pub entries: u64,
    /// Calls of the filter to the proxy.
    pub host_calls: u64,
}

/// Callbacks that belong to no request, in filters that make their callouts from timers.
const BACKGROUND: [&str; 2] = ["proxy_on_tick", "proxy_on_http_call_response"];
/// Time after the last request for what is sent in batches.
const SETTLE: Duration = Duration::from_secs(2);

impl Simulated {
    /// Sends a scenario's first request `warm` times, so that caches hold what they hold under
    /// load, then `counted` times, and gives what each filter of the chain did for those. The same
    /// bytes give the same figures on every machine.
    ///
    /// # Errors
    /// If the gateway does not start, or a request gets another status than the scenario expects.
    pub fn count_work(
        &self,
        scenario: &Scenario,
        warm: usize,
        counted: usize,
    ) -> Result<BTreeMap<String, Work>> {
        let mut play = self.play(scenario, true)??;
        let traffic = scenario
            .steps
            .iter()
            .find_map(Step::traffic)
            .context("a scenario without a request")?;
        play.gateway.advance(SETTLE);
        play.repeat(traffic, warm)?;
        play.gateway.take_timeline();
        play.repeat(traffic, counted)?;
        play.gateway.advance(SETTLE);
        let mut work: BTreeMap<String, Work> = scenario
            .chain
            .iter()
            .map(|entry| (entry.name.clone(), Work::default()))
            .collect();
        for event in play.gateway.take_timeline().events() {
            match event {
                Event::Callback {
                    filter,
                    callback,
                    fuel,
                    ..
                } => {
                    let work = work.entry(filter.clone()).or_default();
                    let fuel = fuel.context("this engine does not count instructions")?;
                    if BACKGROUND.contains(callback) {
                        work.background = work.background.saturating_add(fuel);
                    } else {
                        work.instructions = work.instructions.saturating_add(fuel);
                        work.entries = work.entries.saturating_add(1);
                    }
                }
                Event::HostCall { filter, .. } => {
                    let work = work.entry(filter.clone()).or_default();
                    work.host_calls = work.host_calls.saturating_add(1);
                }
                _ => {}
            }
        }
        Ok(work)
    }
}

impl Play<'_> {
    fn repeat(&mut self, traffic: &Traffic, times: usize) -> Result<()> {
        let expected = [&traffic.expect, &self.scenario.expect.one]
            .into_iter()
            .find_map(|expect| expect.client.as_ref()?.status());
        for _ in 0..times {
            self.send(0, traffic);
            self.finish();
            let Some(sent) = self.running.pop() else {
                continue;
            };
            let status = self.gateway.outcome(sent.id).client.status();
            ensure!(
                status == expected,
                "the request got {status:?} in place of {expected:?}"
            );
        }
        Ok(())
    }
}
