//! Entries in the native form: everything of them is read as in the Wasm form, and what a dynamic
//! module cannot do is said.

use super::coded;
use crate::check::check;

fn good() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    std::fs::read_to_string(root.join("envoy/sagemaker-native.yaml")).unwrap()
}

/// The line, from 1, on which a text stands first.
fn line_of(text: &str, needle: &str) -> usize {
    let at = text.find(needle).unwrap();
    text[..at].matches('\n').count() + 1
}

/// A finding with this code, on the line of `needle`, says this.
#[track_caller]
fn finds(text: &str, needle: &str, code: &str, says: &str) {
    let found = coded(text);
    let line = format!("{}:", line_of(text, needle));
    let there = found.iter().any(|finding| {
        finding.starts_with(&line) && finding.contains(code) && finding.contains(says)
    });
    assert!(there, "{needle} {code} {says}: {found:#?}");
}

fn changed(from: &str, to: &str) -> String {
    let good = good();
    let changed = good.replacen(from, to, 1);
    assert_ne!(changed, good, "{from}");
    changed
}

#[test]
fn a_good_one_is_counted_and_has_no_findings() {
    let outcome = check(&good());
    assert_eq!((outcome.chains, outcome.filters, outcome.unread), (1, 7, 0));
    let findings: Vec<String> = coded(&good());
    let placeholder = |finding: &&String| !finding.contains("MG404");
    let others: Vec<&String> = findings.iter().filter(placeholder).collect();
    assert!(
        others.iter().all(|finding| finding.contains("replace")),
        "{others:#?}"
    );
}

#[test]
fn what_is_wrong_inside_is_found_on_its_line() {
    for (from, to, needle, code, says) in [
        (
            " issuers:\n",
            " isuers:\n",
            "isuers:",
            "MG011",
            "unknown field",
        ),
        (
            "cluster: login }",
            "cluster: loginn }",
            "loginn",
            "MG401",
            "\"loginn\"",
        ),
        (
            "filter: audit_log",
            "filter: audit",
            "filter: audit\n",
            "MG011",
            "is not a filter of this module",
        ),
        (
            "  filter_name: chain\n",
            "  filter_name: chian\n",
            "chian",
            "MG1",
            "no filter of this `filter_name`",
        ),
        (
            "              filter_name: chain\n",
            "",
            "DynamicModuleFilter\n",
            "MG1",
            "`filter_name` is missing",
        ),
        (
            "host_env_keys: [",
            "host_env_kees: [",
            "host_env_kees",
            "MG011",
            "unknown field",
        ),
        (
            " AWS_SECRET_ACCESS_KEY,",
            "",
            "config:\n                      service: sagemaker",
            "MG011",
            "AWS_SECRET_ACCESS_KEY",
        ),
        (
            "google.protobuf.Struct",
            "google.protobuf.BoolValue",
            "BoolValue",
            "MG010",
            "neither a Struct nor a StringValue",
        ),
        (
            "module: { local: { filename: /etc/envoy/modelgate/libmodelgate.so } }",
            "module: { remote: { http_uri: { uri: https://f.test/libmodelgate.so, cluster: login, timeout: 1s }, sha256: aa } }",
            "remote:",
            "MG103",
            "until the module has been fetched",
        ),
        (
            "/libmodelgate.so",
            "/libmodelgat.so",
            "libmodelgat.so",
            "MG",
            "no module of the suite is called",
        ),
        (
            "environment_variables: { host_env_keys:",
            "environment_variables: { key_values: { AWS_SECRET_ACCESS_KEY: abc }, host_env_keys:",
            "key_values",
            "MG",
            "stands in the file",
        ),
    ] {
        finds(&changed(from, to), needle, code, says);
    }
    // Nobody refuses a stranger any more.
    let open = changed("on_missing: deny_unidentified", "on_missing: allow").replacen(
        "                      rules:\n",
        "                      mode: shadow\n                      rules:\n",
        1,
    );
    assert!(
        coded(&open).iter().any(|finding| finding.contains("MG201")),
        "{open}"
    );
}

/// With what a route or virtual host says.
fn with(route: &str, host: &str) -> String {
    let profiles = changed(
        "                        groups_claim: groups\n",
        "                        groups_claim: groups\n                      profiles: { strict: { clock_skew_s: 0 } }\n",
    );
    let text = profiles
        .replacen(
            "metadata: { filter_metadata: { modelgate: { dialect: sagemaker } } }\n",
            &format!("metadata: {{ filter_metadata: {{ modelgate: {{ dialect: sagemaker{route} }} }} }}\n"),
            1,
        )
        .replacen("              routes:\n", &format!("{host}              routes:\n"), 1);
    assert_ne!(text, profiles);
    text
}

/// A virtual host's configuration for the module.
fn configured(value: &str) -> String {
    format!(
        "              typed_per_filter_config:\n                modelgate:\n                  \"@type\": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute\n                  dynamic_module_config: {{ name: modelgate }}\n                  per_route_config_name: modelgate\n                  filter_config: {{ \"@type\": type.googleapis.com/google.protobuf.Struct, value: {value} }}\n"
    )
}

#[test]
fn what_routes_say_is_read_as_the_module_reads_it() {
    let unknown = "has no profile \"lose\"";
    finds(
        &with(", profile: lose", ""),
        "profile: lose",
        "MG204",
        unknown,
    );
    finds(
        &with("", &configured("{ profile: lose }")),
        "{ profile: lose }",
        "MG204",
        unknown,
    );
    finds(
        &with("", &configured("{ jwt_auth: { profile: lose } }")),
        "{ jwt_auth: { profile: lose }",
        "MG204",
        unknown,
    );
    finds(
        &with("", &configured("{ jwt-auth: { profile: strict } }")),
        "{ jwt-auth:",
        "MG",
        "is nothing that a route can say",
    );
    finds(
        &with(", jwt_auth: { profile: strict }", ""),
        "jwt_auth: { profile: strict }",
        "MG209",
        "cannot read nested metadata",
    );
    let host = "              metadata: { filter_metadata: { modelgate: { profile: strict } } }\n";
    finds(
        &with("", host),
        host,
        "MG209",
        "cannot read metadata of virtual hosts",
    );
    for right in [
        with(", profile: strict", ""),
        with("", &configured("{ profile: strict }")),
        with(
            ", jwt_auth: { profile: strict }",
            &configured("{ jwt_auth: { profile: strict } }"),
        ),
    ] {
        let wrong = |finding: &String| ["MG204", "MG209"].iter().any(|code| finding.contains(code));
        assert!(!coded(&right).iter().any(wrong), "{:#?}", coded(&right));
    }
}
