//! An Envoy with a chain of the suite's filters, and clusters that lead to given ports.

use modelgate_envoy::release::Envoy;
use modelgate_tests::gateway::Gateway;
use serde_json::Value;

/// Starts it; `change` is made to its configuration before.
pub async fn start(
    envoy: &Envoy,
    chain: &str,
    clusters: &[(&str, u16)],
    change: impl FnOnce(&mut Value),
) -> Gateway {
    let named: Vec<String> = clusters
        .iter()
        .map(|(name, _)| format!("{name}: {{ answer: {{}} }}"))
        .collect();
    let text = format!(
        "about: credentials\ngateway: {{ workers: 2 }}\nclusters: {{ {} }}\n{chain}\nrequest: {{ path: / }}\nexpect: {{ client: {{ status: 200 }} }}\n",
        named.join(", ")
    );
    Gateway::start_changed(envoy, &text, clusters, change).await
}
