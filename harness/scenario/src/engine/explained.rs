//! A request through the filters' own code, with what they tell of their decisions.
//!
//! The chain runs in the simulated proxy as it runs for `modelgate run --engine native`: nothing is
//! evaluated a second time. Nobody is called: model servers answer as they are told to, callouts
//! are answered from what was given, or refused.

pub mod stand_in;
mod watched;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use modelgate_envoy::config::read::{Bootstrap, FilterKind};
use modelgate_kit::explain::{Recorder, Told};
use modelgate_kit::http_url::HttpUrl;
use proxy_wasm_simulator::abi::LogLevel;
use proxy_wasm_simulator::{Gateway, access_log};

use super::served::{Code, code_of};
use super::simulated::request;
use crate::catalogue::Catalogue;
use crate::file::Request;
use watched::{Seen, Watched};
use world::World;

pub use world::{Asked, ModelAnswer};

/// Virtual time before the request: keys are fetched meanwhile.
const BEFORE: Duration = Duration::from_secs(2);
/// Virtual time after it, in which what waits for its end is done.
const AFTER: Duration = Duration::from_millis(1);

/// Headers by name, in order.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A gateway whose filters tell of their decisions.
pub struct Explained {
    gateway: Gateway,
    recorder: Recorder,
    seen: Rc<RefCell<Seen>>,
    world: Rc<RefCell<World>>,
    entries: Vec<Entry>,
    at_start: Vec<Told>,
    warm: bool,
}

/// An entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is one of the proxy's own filters, which tell nothing.
    pub own: bool,
}

/// What became of a request.
#[derive(Debug, Default)]
pub struct Exchange {
    /// What filters have told.
    pub told: Vec<Told>,
    /// Entries that have seen the request.
    pub ran: Vec<String>,
    /// The virtual host, the route and the cluster that it was for.
    pub route: Route,
    /// Headers as the client sent them.
    pub sent: Headers,
    /// What the upstream got; nothing if the request did not go on.
    pub upstream: Option<Upstream>,
    /// What the client got: headers with `:status`.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether it was whole.
    pub complete: bool,
    /// Response-code details.
    pub details: Option<String>,
    /// Facts that filters have left.
    pub facts: BTreeMap<String, Vec<u8>>,
    /// Of several requests, the number of the first that was refused, counted from 1.
    pub first_refused: Option<usize>,
}

/// Where a request was to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Name of the virtual host.
    pub virtual_host: String,
    /// Name of the route.
    pub route: String,
    /// Name of the cluster.
    pub cluster: String,
}

/// A request as the upstream gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Name of the cluster.
    pub cluster: String,
    /// Headers, pseudo-headers included.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
}

impl Exchange {
    /// The status that the client got.
    pub fn status(&self) -> Option<u16> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(name, _)| name == ":status")?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }

    /// A fact that was left, as JSON.
    pub fn fact(&self, name: &str) -> Option<serde_json::Value> {
        serde_json::from_slice(self.facts.get(&format!("modelgate.{name}"))?).ok()
    }
}

impl Explained {
    /// Starts the chain of a configuration, so that a request comes in at `now_ns`. `variable`
    /// knows the environment.
    ///
    /// # Errors
    /// If a filter does not start.
    pub fn start(
        bootstrap: &Bootstrap,
        catalogue: Catalogue,
        now_ns: u64,
        answer: ModelAnswer,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let recorder = Recorder::start();
        let world = Rc::new(RefCell::new(World::new(bootstrap, answer)));
        let seen = Rc::new(RefCell::new(Seen::default()));
        let before = u64::try_from(BEFORE.as_nanos())?;
        let mut builder = bootstrap
            .configure(Gateway::builder())
            .network(world::Shared(Rc::clone(&world)))
            .now_ns(now_ns.saturating_sub(before))
            .log_level(LogLevel::Error);
        let mut entries = Vec::new();
        for filter in &bootstrap.filters {
            let code = |wasm: &_| code_of(wasm, Code::Native(catalogue));
            let mut spec = filter.spec(&bootstrap.secrets, code, variable)?;
            spec.code = Watched::code(&spec.name, Rc::clone(&spec.code), Rc::clone(&seen));
            entries.push(Entry {
                name: spec.name.clone(),
                own: matches!(filter.kind, FilterKind::Own(_)),
            });
            builder = builder.filter(spec);
        }
        let gateway = builder.build()?;
        let at_start = recorder.take();
        Ok(Self {
            gateway,
            recorder,
            seen,
            world,
            entries,
            at_start,
            warm: false,
        })
    }

    /// The chain.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What filters have told when they read their configuration.
    pub fn at_start(&self) -> &[Told] {
        &self.at_start
    }

    /// Has callouts to a cluster for this URL be answered, or refused.
    pub fn serve(&mut self, cluster: &str, url: &HttpUrl, body: Option<Vec<u8>>) {
        let mut world = self.world.borrow_mut();
        world.serve(cluster, &url.authority, &url.path, body);
    }

    /// Callouts that were made.
    pub fn callouts(&self) -> Vec<Asked> {
        self.world.borrow().asked.clone()
    }

    /// Bytes that must not be shown.
    pub fn hidden(&self) -> Vec<Vec<u8>> {
        self.recorder.hidden()
    }

    /// Sends a request so often, from this address, and says what became of the last.
    pub fn ask(&mut self, asked: &Request, from: IpAddr, times: usize) -> Exchange {
        if !std::mem::replace(&mut self.warm, true) {
            self.gateway.advance(BEFORE);
        }
        let mut first_refused = None;
        let mut last = Exchange::default();
        for number in 1..=times {
            drop(self.recorder.take());
            *self.seen.borrow_mut() = Seen::default();
            let mut sent = request(asked, number);
            sent.connection.source.set_ip(from);
            let headers = pairs(&sent.headers);
            let outcome = self.gateway.exchange(sent);
            let denied = outcome.filter_state.contains_key("modelgate.denied");
            if first_refused.is_none() && denied {
                first_refused = Some(number);
            }
            if number < times {
                continue;
            }
            // What waits for the end of the exchange.
            self.gateway.advance(AFTER);
            let upstream = outcome.upstream.as_ref().map(|upstream| Upstream {
                cluster: upstream.cluster.clone(),
                headers: pairs(&upstream.headers),
                body: upstream.body.clone(),
            });
            let seen = std::mem::take(&mut *self.seen.borrow_mut());
            last = Exchange {
                told: self.recorder.take(),
                ran: seen.ran,
                route: seen.route,
                sent: headers,
                upstream,
                headers: outcome
                    .client
                    .headers
                    .as_ref()
                    .map(pairs)
                    .unwrap_or_default(),
                body: outcome.client.body(),
                complete: outcome.client.complete,
                details: access_log::details(&outcome),
                facts: outcome.filter_state,
                first_refused,
            };
        }
        last
    }
}

fn pairs(headers: &proxy_wasm_simulator::Headers) -> Headers {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
        .collect()
}
