//! The proxy that a configuration is compiled against when there is none: it knows the environment,
//! and takes what it is given.
//!
//! Compiling reads environment variables, defines metrics and prepares shared data; nothing else is
//! asked of a proxy then, and everything else is refused.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use modelgate_kit::host::{Host, Level, MetricKind, Status};
use modelgate_kit::hosts::nginx::NGINX;
use modelgate_kit::hosts::{ENVOY, Rules};

use located_yaml::Node;

/// What stands for a secret whose value is known on the proxy's machine only: long enough, and
/// letters and digits only, for any use.
const UNKNOWN: &str = "KNOWN0ON0THE0MACHINE0OF0THE0PROXY0ONLY0KNOWN0ON0THE0MACHINE0OF0THE0PROXY";

/// A variable that is read if it is there.
const OPTIONAL: &str = "AWS_SESSION_TOKEN";

/// The environment that filters see there: what nginx hands on to its workers.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The variables with their values, as far as they are written; `None` where it is not known
    /// which are handed on.
    pub known: Option<BTreeMap<String, Option<String>>>,
    /// What was asked for.
    asked: RefCell<BTreeSet<String>>,
}

impl Passed {
    /// These, or an unknown set.
    pub fn new(known: Option<BTreeMap<String, Option<String>>>) -> Self {
        Self {
            known,
            asked: RefCell::default(),
        }
    }

    /// The value of a variable; `unknown` stands for one that only the proxy's machine knows. What
    /// is not handed on is noted, and given, so that one mistake is not said twice.
    pub fn ask(&self, name: &str, unknown: &str) -> Option<String> {
        let here = || std::env::var(name).unwrap_or_else(|_| unknown.to_owned());
        let written = self.known.as_ref().map(|known| known.get(name));
        if name == OPTIONAL && !matches!(written, Some(Some(_))) {
            return None;
        }
        self.asked.borrow_mut().insert(name.to_owned());
        match written {
            Some(Some(Some(value))) => Some(value.clone()),
            _ => Some(here()),
        }
    }

    /// The names of what was asked for.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// What was asked for and is not handed on; forgets what was asked.
    pub fn take_missing(&self) -> Vec<String> {
        let asked = self.asked.take();
        let Some(known) = &self.known else {
            return Vec::new();
        };
        asked
            .into_iter()
            .filter(|name| !known.contains_key(name))
            .collect()
    }
}

/// A proxy without traffic.
pub(super) struct Environment<'a> {
    /// The environment of nginx's workers, where it stands for nginx.
    passed: Option<&'a Passed>,
    variables: HashMap<String, String>,
    shared: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    metrics: RefCell<Vec<String>>,
}

impl<'a> Environment<'a> {
    /// An nginx with ngx_wasm_module, which hands on these variables.
    pub fn on_nginx(passed: &'a Passed) -> Self {
        Self {
            passed: Some(passed),
            ..Self::of(None)
        }
    }

    /// With the variables that `environment_variables` gives.
    pub fn of(given: Option<&Node>) -> Self {
        let mut variables = HashMap::new();
        for name in given
            .and_then(|given| given.member("host_env_keys"))
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
        {
            variables.insert(
                name.to_owned(),
                std::env::var(name).unwrap_or_else(|_| UNKNOWN.to_owned()),
            );
        }
        for (key, value) in given
            .and_then(|given| given.member("key_values"))
            .map(Node::members)
            .unwrap_or_default()
        {
            variables.insert(
                key.text.clone(),
                value.text().unwrap_or_default().to_owned(),
            );
        }
        Self {
            passed: None,
            variables,
            shared: RefCell::default(),
            metrics: RefCell::default(),
        }
    }
}

impl Host for Environment<'_> {
    fn rules(&self) -> &'static Rules {
        match self.passed {
            Some(_) => &NGINX,
            None => &ENVOY,
        }
    }

    fn now_ns(&self) -> u64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        0
    }

    fn environment(&self, name: &str) -> Option<String> {
        match self.passed {
            Some(passed) => passed.ask(name, UNKNOWN),
            None => self.variables.get(name).cloned(),
        }
    }

    fn is_stand_in(&self, value: &str) -> bool {
        value == UNKNOWN
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        self.shared
            .borrow()
            .get(key)
            .cloned()
            .ok_or(Status::NotFound)
    }

    fn set_shared(&self, key: &str, value: &[u8], _: u32) -> Result<(), Status> {
        let mut shared = self.shared.borrow_mut();
        let number = shared
            .get(key)
            .map_or(1, |(_, number)| number.wrapping_add(1));
        shared.insert(key.to_owned(), (value.to_vec(), number));
        Ok(())
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.metrics.borrow_mut();
        let at = metrics
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                metrics.push(name.to_owned());
                metrics.len().saturating_sub(1)
            });
        u32::try_from(at).map_err(|_| Status::InternalFailure)
    }

    fn increment(&self, _: u32, _: i64) -> Result<(), Status> {
        Ok(())
    }

    fn record(&self, _: u32, _: u64) -> Result<(), Status> {
        Ok(())
    }

    fn log(&self, _: Level, _: &str) {}

    fn property(&self, _: &[&str]) -> Result<Vec<u8>, Status> {
        Err(Status::NotFound)
    }

    fn set_property(&self, _: &str, _: &[u8]) -> Result<(), Status> {
        Err(Status::BadArgument)
    }

    fn foreign(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Status> {
        Err(Status::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_handed_on_is_noted_and_given() {
        let known = BTreeMap::from([("A".to_owned(), Some("1".to_owned()))]);
        let passed = Passed::new(Some(known));
        assert_eq!(passed.ask("A", "?").as_deref(), Some("1"));
        assert_eq!(passed.ask("MODELGATE_NO_SUCH", "?").as_deref(), Some("?"));
        assert_eq!(passed.ask(OPTIONAL, "?"), None);
        assert_eq!(passed.take_missing(), ["MODELGATE_NO_SUCH"]);
        assert!(passed.take_missing().is_empty());
        let unknown = Passed::default();
        assert_eq!(unknown.ask("MODELGATE_NO_SUCH", "?").as_deref(), Some("?"));
        assert!(unknown.take_missing().is_empty());
    }
}
