//! `modelgate explain`: what a gateway makes of a request, and why.
//!
//! The request goes through the filters' own code, in the simulated proxy; what they tell of their
//! decisions (`modelgate_kit::explain`) is put together here. Nothing is decided here.

mod curl;
mod document;
mod environment;
mod keys;
mod raw;
mod report;
mod request;
mod shell;
mod text;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use located_yaml::{Node, Place};
use modelgate_envoy::config::adapt::{Local, Needs, adapt, fill_environment, loopback};
use modelgate_envoy::config::read::Bootstrap;
use modelgate_scenario::engine::explained::{Exchange, Explained, ModelAnswer};
use modelgate_scenario::file::Request;
use serde_json::Value as Json;

use crate::SUITE;
use crate::gateway::{self, Host};
use environment::Environment;
use keys::Issuers;

pub use document::{Note, Outcome, Report};
pub use raw::answer;
pub use request::{curl, read};
pub use text::text;

/// Where every cluster is said to be: nobody is called.
const NOWHERE: u16 = 9;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The gateway file or Envoy configuration.
    pub file: PathBuf,
    /// The request.
    pub request: Request,
    /// The address that it comes from.
    pub from: IpAddr,
    /// How often it is sent; the last time is explained.
    pub times: usize,
    /// When it comes, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Key sets by issuer.
    pub keys: BTreeMap<String, Vec<u8>>,
    /// Tokens of issuers whose keys are not given are assumed to be genuine.
    pub assume_verified: bool,
    /// What the model server answers; nothing says 200.
    pub answer: Option<ModelAnswer>,
}

/// What became of a request, and all that is needed to say so.
struct Found {
    exchange: Exchange,
    explained: Explained,
    issuers: Issuers,
    /// Sources of tokens that a stand-in answers for.
    played: BTreeSet<String>,
    /// Variables that placeholders stand for.
    missing: Vec<String>,
    /// Texts that must not be shown.
    hidden: BTreeSet<String>,
}

/// Explains what becomes of a request; `variable` knows the environment.
///
/// # Errors
/// If the configuration cannot be run.
pub fn explain(question: &Question, variable: &dyn Fn(&str) -> Option<String>) -> Result<Report> {
    let shown = || question.file.display().to_string();
    let (mut config, _) = gateway::bootstrap(&question.file, Host::Envoy)?;
    let needs = Needs::of(&config);
    let environment = Environment::new(&needs, variable);
    let local = Local {
        clusters: clusters(&config)
            .map(|name| (name, loopback(NOWHERE)))
            .collect(),
        ..Local::default()
    };
    adapt(&mut config, &local).with_context(shown)?;
    let value = |name: &str| environment.value(name);
    fill_environment(&mut config, &value);
    let bootstrap = Bootstrap::read(&Node::from_json(&config, Place::default()))
        .map_err(|refused| anyhow!("{}: {refused}", shown()))?;
    let answer = question.answer.clone().unwrap_or_else(plain_answer);
    let mut explained =
        Explained::start(&bootstrap, SUITE, question.at_ns, answer, &value).with_context(shown)?;
    let (issuers, request, of_request) = keys::play(
        &mut explained,
        &question.keys,
        question.assume_verified,
        &environment,
        &question.request,
    )?;
    let played = tokens::play(&mut explained);
    let exchange = explained.ask(&request, question.from, question.times);
    let told = explained.hidden().into_iter();
    let told = told.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let found = Found {
        hidden: told
            .chain(of_request)
            .chain(environment.secrets())
            .collect(),
        missing: environment.missing().map(str::to_owned).collect(),
        exchange,
        explained,
        issuers,
        played,
    };
    report::write(question, &found)
}

/// The names of the clusters.
fn clusters(config: &Json) -> impl Iterator<Item = String> {
    let list = config.pointer("/static_resources/clusters");
    let list = list.and_then(Json::as_array).into_iter().flatten();
    list.filter_map(|cluster| Some(cluster.get("name")?.as_str()?.to_owned()))
}

/// An answer that filters let pass.
fn plain_answer() -> ModelAnswer {
    ModelAnswer {
        status: 200,
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        body: b"{}".to_vec(),
    }
}
