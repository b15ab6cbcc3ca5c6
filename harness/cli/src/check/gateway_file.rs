//! A gateway file: what stands in it, what the filters say of their settings at the lines where
//! they are written, and what is to be said of the chain that it stands for.

use std::collections::BTreeSet;

use located_yaml::{Node, Place};

use super::allow::Allowances;
use super::codes::{self, Code};
use super::entry::{Entry, Form, Runs};
use super::files::{Files, Sink};
use super::finding::Finding;
use super::locate::Map;
use super::references::Clusters;
use super::{Outcome, check_envoy, finish};
use crate::gateway::{Host, Meaning, entry, read, render};

/// What is said of single values, which have a better place in the gateway file.
const OF_VALUES: [&Code; 2] = [&codes::CONFIGURATION, &codes::PLACEHOLDER];

/// Checks a gateway file.
pub(super) fn check(text: &str, root: &Node) -> Outcome {
    let mut found = Vec::new();
    let allowances = Allowances::of(text, std::slice::from_ref(root), &mut found);
    let outcome = match read(root, Host::Envoy) {
        Ok(meaning) => means(text, &meaning, root.place, &mut found),
        Err(problems) => {
            found.extend(problems.into_iter().map(|problem| {
                Finding::new(
                    &codes::GATEWAY,
                    problem.place,
                    "gateway",
                    problem.message,
                    "",
                )
                .at(problem.path)
            }));
            // It was meant to have some.
            Outcome {
                unread: 1,
                ..Outcome::default()
            }
        }
    };
    finish(&allowances, outcome, found)
}

fn means(text: &str, meaning: &Meaning, start: Place, found: &mut Vec<Finding>) -> Outcome {
    let files = Files::alone(text);
    let mut sink = Sink::new(&files);
    for filter in &meaning.filters {
        let written = Node::from_json(&entry(filter), filter.config.place);
        let plugin = written.member("typed_config");
        let Some(config) = plugin.and_then(|plugin| plugin.member("config")) else {
            continue;
        };
        let entry = Entry {
            name: filter.member.krate.to_owned(),
            node: &filter.config,
            form: Form::Wasm,
            config,
            runs: Runs::One(filter.member),
            map: Map::of_yaml(&filter.config),
            file: 0,
            passed: None,
        };
        // Every cluster follows from a URL.
        entry.check_configuration(&Clusters::unknown(), &mut sink);
    }
    let key = |finding: &Finding| {
        (
            finding.code.id,
            finding.filter.clone(),
            finding.path.clone(),
        )
    };
    let said: BTreeSet<_> = sink.list.iter().map(key).collect();
    found.append(&mut sink.list);
    let rendered = render(meaning, Host::Envoy);
    let Ok(documents) = Node::documents(&rendered) else {
        return Outcome::default();
    };
    let mut whole = check_envoy(&rendered, documents, None);
    // Where modules are is not said by a gateway file.
    whole.modules.clear();
    for mut finding in std::mem::take(&mut whole.findings) {
        if OF_VALUES.contains(&finding.code) || said.contains(&key(&finding)) {
            continue;
        }
        let mut filters = meaning.filters.iter();
        let filter = filters.find(|filter| filter.member.krate == finding.filter);
        finding.place = filter.map_or(start, |filter| filter.config.place);
        found.push(finding);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::super::tests::coded as said;

    const GOOD: &str = "\
backend: { kind: openai, url: 'http://vllm.models.svc:8000' }
issuers:
- issuer: https://login.acme.io
  audiences: [ models ]
  groups_claim: groups
rules:
- id: all
  effect: allow
  who: { groups: { any_of: [ staff ] } }
limits:
- { name: per-caller, by: [ consumer ], windows: [ { quota: 60, window_s: 60 } ] }
masking: {}
";

    #[test]
    fn a_good_gateway_file_has_no_findings_and_its_filters_are_counted() {
        let outcome = check(GOOD);
        assert_eq!(said(GOOD), Vec::<String>::new());
        assert_eq!((outcome.chains, outcome.filters), (1, 5));
    }

    #[test]
    fn mistakes_are_found_where_they_stand() {
        let mut missed = Vec::new();
        for (from, to, want) in [
            (
                "masking",
                "maksing",
                "12:1 MG020 gateway: maksing: unknown key; did you mean \"masking\"?",
            ),
            (
                "kind: openai",
                "kind: opnai",
                "1:18 MG020 gateway: backend.kind: expected one of: sagemaker, azure_ml, kserve, tensorflow_serving, torchserve, openai, azure_openai, vertex",
            ),
            ("quota: 60", "quota: 0", "11:"),
            (
                "quota",
                "quta",
                "11:54 MG011 rate-limit: policies[0].windows[0].quta:",
            ),
            (
                "acme.io",
                "example.com",
                "3:3 MG404 jwt-auth: issuers[0].issuer:",
            ),
            (
                "effect: allow",
                "effect: alow",
                "8:3 MG011 consumer-acl: rules[0].effect:",
            ),
            (
                "masking: {}",
                "masking: { request: { max_body_bytes: 9000000 } }",
                "12:10 MG114 pii-mask:",
            ),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            let said = said(&text);
            if !said.iter().any(|said| said.starts_with(want)) {
                missed.push((to, said));
            }
        }
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn a_comment_allows_a_finding() {
        let text = GOOD.replace("acme.io", "example.com");
        let allowed = text.replace("issuers:\n", "issuers:\n# modelgate: allow(placeholder)\n");
        assert_eq!(said(&text).len(), 1);
        assert_eq!(said(&allowed), Vec::<String>::new());
        assert_eq!(check(&allowed).allowed, 1);
    }
}
