//! A key of a provider's in place of the caller's credential, as Envoy's own filters send it.

use serde_json::{Value as Json, json};

use crate::gateway::{typed, written};

/// The header that the key travels in from one filter to the next.
const KEY_HEADER: &str = "x-provider-key";

/// A secret of Envoy's that is in a variable of its environment.
pub(super) fn secret(name: &str, variable: &str) -> Json {
    json!({ "name": name, "generic_secret": { "secret": { "environment_variable": variable } } })
}

/// The gateway's own key in place of the caller's credential: two filters of these names. Envoy
/// does not start without the variable, and refuses every request (401) where it is empty.
pub(super) fn credential(
    secret: &str,
    names: &[String; 2],
    header: &str,
    before: &str,
) -> [Json; 2] {
    let [injects, writes] = names;
    let generic = typed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        json!({ "credential": { "name": secret }, "header": KEY_HEADER }),
    );
    let injector = json!({
        "overwrite": true,
        "credential": { "name": "envoy.http.injected_credentials.generic", "typed_config": generic },
    });
    let value = format!("{before}%REQ({KEY_HEADER})%");
    let mutations = json!({ "mutations": { "request_mutations": [
        { "append": written(header, &value) },
        { "remove": KEY_HEADER },
    ] } });
    [
        json!({ "name": injects, "typed_config": typed("envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", injector) }),
        json!({ "name": writes, "typed_config": typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", mutations) }),
    ]
}
