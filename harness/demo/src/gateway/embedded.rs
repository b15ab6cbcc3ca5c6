//! The embedded host as a gateway: the simulated proxy on real sockets, on a thread of this
//! process, run by the configuration for Envoy.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::Value as Json;

use super::AccessLine;
use located_yaml::{Node, Place};
use modelgate_envoy::config::adapt::fill_environment;
use modelgate_envoy::config::read::Bootstrap;
use modelgate_scenario::engine::served::{Code, start};
use proxy_wasm_simulator::Metric;
use proxy_wasm_simulator::serve::RunningServer;

/// How many lines of the access log are kept.
const ACCESS_LINES: usize = 256;
/// How many lines of the filters' log are kept.
const LOG_LINES: usize = 25;

/// The last lines of a log.
struct Log<T> {
    lines: Mutex<VecDeque<T>>,
    limit: usize,
}

/// An embedded host that serves; it ends when dropped.
pub struct Embedded {
    live: RunningServer,
    access: Arc<Log<AccessLine>>,
    log: Arc<Log<String>>,
}

impl Embedded {
    /// Starts the filters' own code or their modules, and waits until they serve.
    ///
    /// # Errors
    /// If something in the configuration is not served here, or a filter does not start.
    pub async fn start(
        bootstrap: &Json,
        workers: u32,
        environment: &[(&str, &str)],
        code: Code,
    ) -> Result<Self> {
        let environment: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut bootstrap = bootstrap.clone();
        fill_environment(&mut bootstrap, &|name| environment.get(name).cloned());
        let bootstrap = Bootstrap::read(&Node::from_json(&bootstrap, Place::default()))?;
        let workers = usize::try_from(workers)?;
        let access = Arc::new(Log::of(ACCESS_LINES));
        let log = Arc::new(Log::of(LOG_LINES));
        let (written, said) = (Arc::clone(&access), Arc::clone(&log));
        let live = start(
            bootstrap,
            workers,
            move |name| environment.get(name).cloned(),
            code,
            Box::new(move |line| said.add(line.to_string())),
            Box::new(move |line| written.add(line)),
        );
        Ok(Self {
            live: live.await?,
            access,
            log,
        })
    }

    /// Where it listens for requests.
    pub fn port(&self) -> u16 {
        self.live.address().port()
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.live.ended()
    }

    /// What filters logged last.
    pub fn last_words(&self) -> String {
        self.log.with(|lines| lines.make_contiguous().join("\n"))
    }

    /// What it wrote about the request with this trace id so far.
    pub fn access_line(&self, trace_id: &str) -> Option<AccessLine> {
        let has = |line: &&AccessLine| {
            let mut texts = line.values().filter_map(Json::as_str);
            texts.any(|text| text.contains(trace_id))
        };
        self.access.with(|lines| lines.iter().find(has).cloned())
    }

    /// The filters' metrics.
    ///
    /// # Errors
    /// If it has ended.
    pub async fn metrics(&self) -> Result<BTreeMap<String, u64>> {
        let metrics = self.live.metrics().await?.into_iter();
        let numbers = metrics.filter_map(|(name, metric)| match metric {
            Metric::Counter(value) | Metric::Gauge(value) => Some((name, value)),
            Metric::Histogram(_) => None,
        });
        Ok(numbers.collect())
    }
}

impl<T> Log<T> {
    fn of(limit: usize) -> Self {
        Self {
            lines: Mutex::default(),
            limit,
        }
    }

    fn add(&self, line: T) {
        self.with(|lines| {
            if lines.len() >= self.limit {
                lines.pop_front();
            }
            lines.push_back(line);
        });
    }

    fn with<R>(&self, act: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        act(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_last_lines() {
        let log = Log::of(3);
        (0..10).for_each(|line| log.add(line));
        assert_eq!(
            log.with(|lines| lines.make_contiguous().to_vec()),
            [7, 8, 9]
        );
    }
}
