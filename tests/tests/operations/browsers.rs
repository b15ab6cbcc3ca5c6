//! Calls from browsers, with the snippets of docs/operations.md on a real Envoy.

use modelgate_cli::build::Workspace;
use modelgate_demo::client::{Call, send};
use modelgate_demo::sink::Sink;
use modelgate_tests::envoys::envoy;

use crate::{Gateway, chat};

/// The gateway of the page for calls from browsers: its two snippets, where it says they stand.
fn for_browsers(bootstrap: String) -> String {
    let page = Workspace::locate().unwrap().root.join("docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("## Calls from browsers").nth(1).unwrap();
    let snippet = |number: usize, indent: usize| -> String {
        let fence = section.split("```").nth(2 * number + 1).unwrap();
        let lines = fence.lines().skip(1);
        lines
            .map(|line| format!("{:indent$}{line}\n", ""))
            .collect()
    };
    let (before, filters) = bootstrap
        .split_once("          - name: key-auth\n")
        .unwrap();
    let hosts = "              domains: [ \"*\" ]\n";
    let before = before.replace(hosts, &format!("{hosts}{}", snippet(1, 14)));
    format!(
        "{before}{}          - name: key-auth\n{filters}",
        snippet(0, 10)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_ask_before_they_call() {
    const ALLOWED: &str = "access-control-allow-origin";
    let Some(envoy) = envoy(None) else { return };
    let sink = Sink::start(0).unwrap();
    let gateway = Gateway::start(&envoy, sink.server().port(), for_browsers).await;
    for (page, known) in [("https://app.acme.io", true), ("https://other.test", false)] {
        let preflight = Call {
            method: "OPTIONS".to_owned(),
            ..Call::get("/v1/chat/completions")
        };
        let preflight = preflight
            .with("origin", page)
            .with("access-control-request-method", "POST")
            .with(
                "access-control-request-headers",
                "authorization,content-type",
            );
        let calls = [
            (preflight, if known { 200 } else { 401 }),
            (chat("llama-3").with("origin", page), 200),
            (chat("mistral").with("origin", page), 403),
            (Call::get("/v1/models").with("origin", page), 401),
        ];
        for (call, status) in calls {
            let answer = send(gateway.port, &call).await.unwrap();
            assert_eq!(answer.status, status, "{}", gateway.log());
            let allowed = answer.header(ALLOWED);
            assert_eq!(allowed, known.then_some(page), "{status}");
        }
    }
}
