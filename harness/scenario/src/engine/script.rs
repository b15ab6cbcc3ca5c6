//! A server's script and how far it has been played: the same for real servers and for simulated
//! ones.

use std::collections::HashMap;

use crate::file::{Answer, Cluster};

/// A script under way.
#[derive(Debug)]
pub(super) struct Script {
    cluster: Cluster,
    played: HashMap<Option<String>, usize>,
}

impl Script {
    /// From its beginning.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            played: HashMap::new(),
        }
    }

    /// What it describes.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The answer to the next request with this path.
    pub fn next(&mut self, path: &str) -> Answer {
        let (key, answers) = self.cluster.script(path);
        let key = key.map(str::to_owned);
        let number = self.played.entry(key).or_default();
        let answer = Cluster::answer(answers, *number).cloned();
        *number = number.saturating_add(1);
        answer.unwrap_or(Answer::Hang)
    }
}
