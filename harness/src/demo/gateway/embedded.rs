//! The embedded host as a gateway: the simulated proxy on real sockets, on a thread of this process, run by the configuration for Envoy.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value as Json;

use super::AccessLine;
use crate::artifacts::{file_name, modules};
use crate::engine::simulated::module;
use crate::live::bootstrap::{Bootstrap, Filter};
use crate::live::{Live, Settings};
use crate::proxy::{GuestCode, Metric, NativeCode, Outcome};
use crate::suite;
use crate::yaml::{Node, Place};

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
    live: Live,
    access: Arc<Log<AccessLine>>,
    log: Arc<Log<String>>,
}

impl Embedded {
    /// Starts the filters' own code (`native`) or their modules, and waits until they serve.
    ///
    /// # Errors
    /// If something in the configuration is not served here, or a filter does not start.
    pub async fn start(
        bootstrap: &Json,
        workers: u32,
        environment: &[(&str, &str)],
        native: bool,
    ) -> Result<Self> {
        let bootstrap = Bootstrap::read(&Node::from_json(bootstrap, Place::default()))?;
        let environment: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let workers = usize::try_from(workers)?;
        let access = Arc::new(Log::of(ACCESS_LINES));
        let log = Arc::new(Log::of(LOG_LINES));
        let (written, said) = (Arc::clone(&access), Arc::clone(&log));
        // Compiling modules takes a while, and this thread has other servers to serve.
        let live = tokio::task::spawn_blocking(move || {
            let clusters = bootstrap.clusters.clone();
            let format = bootstrap.access_log.clone();
            let settings = Settings {
                listen: bootstrap.listen,
                clusters: bootstrap.clusters.clone(),
                log: Box::new(move |line| said.add(line.to_string())),
                over: Box::new(move |outcome: &Outcome| {
                    let address = |cluster: &str| Some(clusters.get(cluster)?.to_string());
                    written.add(format.line(outcome, address));
                }),
            };
            Live::start(settings, move |builder| {
                let mut builder = bootstrap.configure(builder).workers(workers);
                for filter in &bootstrap.filters {
                    let code = code(filter, native)?;
                    builder =
                        builder.filter(filter.spec(code, |name| environment.get(name).cloned()));
                }
                Ok(builder)
            })
        });
        Ok(Self {
            live: live.await??,
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

/// The code of an entry: that of the suite's filters in the module of this name, or the module.
fn code(filter: &Filter, native: bool) -> Result<Rc<dyn GuestCode>> {
    if !native {
        return module(&filter.file);
    }
    let name = filter.file.file_name().and_then(|name| name.to_str());
    let krate = modules()
        .into_iter()
        .find(|krate| Some(file_name(krate).as_str()) == name)
        .with_context(|| format!("{}: no module of the suite", filter.file.display()))?;
    Ok(NativeCode::bundle(suite::filters_in(krate)))
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
