//! The world behind a gateway that is explained: model servers that answer as they are told to, and
//! callouts that are answered from what was given. Nothing leaves the process.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use modelgate_envoy::config::read::Bootstrap;
use proxy_wasm_simulator::{Arrivals, Headers, Inbound, Network, Outbound, OutboundId};

/// What model servers answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAnswer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
}

/// A callout that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The cluster.
    pub cluster: String,
    /// The host.
    pub authority: String,
    /// The path.
    pub path: String,
    /// Whether it was answered.
    pub answered: bool,
}

/// What there is.
pub(super) struct World {
    clusters: BTreeSet<String>,
    /// Clusters that requests are routed to.
    models: BTreeSet<String>,
    answer: ModelAnswer,
    /// By cluster, host and path; nothing for what is refused.
    served: BTreeMap<(String, String, String), Option<Vec<u8>>>,
    pub asked: Vec<Asked>,
}

impl World {
    pub fn new(bootstrap: &Bootstrap, answer: ModelAnswer) -> Self {
        let routes = bootstrap.hosts.iter().flat_map(|host| &host.routes);
        Self {
            clusters: bootstrap.clusters.keys().cloned().collect(),
            models: routes.map(|route| route.cluster.clone()).collect(),
            answer,
            served: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    pub fn serve(&mut self, cluster: &str, authority: &str, path: &str, body: Option<Vec<u8>>) {
        let place = [cluster, authority, path].map(str::to_owned);
        self.served.insert(place.into(), body);
    }

    fn answer(&mut self, request: &Outbound) -> Arrivals {
        let text = |name: &str| request.headers.text(name).unwrap_or_default();
        let (authority, path) = (text(":authority"), text(":path"));
        let place = (request.cluster.clone(), authority.clone(), path.clone());
        let body = match self.served.get(&place) {
            None if self.models.contains(&request.cluster) => {
                return arrivals(self.answer.status, &self.answer.headers, &self.answer.body);
            }
            None => None,
            Some(body) => body.as_deref(),
        };
        self.asked.push(Asked {
            cluster: request.cluster.clone(),
            authority,
            path,
            answered: body.is_some(),
        });
        match body {
            Some(body) => {
                let json = ("content-type".to_owned(), b"application/json".to_vec());
                arrivals(200, &[json], body)
            }
            None => vec![(Duration::ZERO, Inbound::Refused)],
        }
    }
}

fn arrivals(status: u16, headers: &[(String, Vec<u8>)], body: &[u8]) -> Arrivals {
    let mut head = Headers::new();
    head.add(":status", status.to_string());
    for (name, value) in headers {
        head.add(name, value.clone());
    }
    let end = body.is_empty();
    let mut arrivals = vec![(Duration::ZERO, Inbound::Head { headers: head, end })];
    if !end {
        let bytes = body.to_vec();
        arrivals.push((Duration::ZERO, Inbound::Body { bytes, end: true }));
    }
    arrivals
}

/// The world, which is looked at from outside as well.
pub(super) struct Shared(pub Rc<RefCell<World>>);

impl Network for Shared {
    fn has_cluster(&self, cluster: &str) -> bool {
        self.0.borrow().clusters.contains(cluster)
    }

    fn headers_sent(&mut self, _: OutboundId, _: &Outbound) -> Arrivals {
        Arrivals::new()
    }

    fn request_sent(&mut self, _: OutboundId, request: &Outbound) -> Arrivals {
        self.0.borrow_mut().answer(request)
    }
}
