//! The hosts that a gateway is written for, and what each calls a server that a filter calls.

use super::upstream::Upstream;

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Host {
    /// A bootstrap of Envoy's, complete.
    Envoy,
    /// The same with the filters in the native form (docs/native.md).
    EnvoyNative,
    /// Envoy in Kubernetes, without anybody's control plane: Deployment, Service, ConfigMap,
    /// HorizontalPodAutoscaler, PodDisruptionBudget, NetworkPolicy.
    Kubernetes,
    /// Istio, with a gateway of the Gateway API.
    Istio,
    /// Envoy Gateway.
    EnvoyGateway,
    /// Higress.
    Higress,
    /// Kong 3.9 (a declarative configuration).
    Kong,
}

impl Host {
    /// Every host.
    pub const ALL: [Self; 7] = [
        Self::Envoy,
        Self::EnvoyNative,
        Self::Kubernetes,
        Self::Istio,
        Self::EnvoyGateway,
        Self::Higress,
        Self::Kong,
    ];

    /// What a filter's configuration calls a server.
    pub fn cluster(self, upstream: &Upstream) -> String {
        match self {
            Self::Envoy | Self::EnvoyNative | Self::Kubernetes | Self::EnvoyGateway => {
                upstream.name.clone()
            }
            Self::Istio => format!("outbound|{}||{}", upstream.port, upstream.full_name()),
            // What is not in Kubernetes is a service of McpBridge's.
            Self::Higress => match upstream.service() {
                Some(_) => format!("outbound|{}||{}", upstream.port, upstream.full_name()),
                None => format!("outbound|{}||{}.dns", upstream.port, upstream.name),
            },
            Self::Kong => upstream.authority(),
        }
    }

    /// Why it cannot call a server.
    pub fn refuses(self, upstream: &Upstream) -> Option<&'static str> {
        let nameless = matches!(self, Self::Istio | Self::Higress) && upstream.ip().is_some();
        nameless.then_some("this host calls servers by their names, and this is an address: give it one (a Service)")
    }

    /// Whether it fetches the filters' images.
    pub fn fetches_images(self) -> bool {
        !matches!(self, Self::Envoy | Self::EnvoyNative | Self::Kong)
    }

    /// Whether a filter can be let hold a request's headers.
    pub fn holds_headers(self) -> bool {
        !matches!(self, Self::EnvoyGateway | Self::Higress)
    }
}
