//! The hosts that a gateway is written for, and what each calls a server that a filter calls.

use super::upstream::Upstream;

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Host {
    /// A bootstrap of Envoy's, complete.
    Envoy,
}

impl Host {
    /// What a filter's configuration calls a server.
    pub fn cluster(self, upstream: &Upstream) -> String {
        match self {
            Self::Envoy => upstream.name.clone(),
        }
    }
}
