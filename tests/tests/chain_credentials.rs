//! Where credentials come from, on a real Envoy: roles, secrets and instance metadata of moto,
//! which enforces IAM policies; keys that expire every few seconds under load; an endpoint that
//! goes away; a signer that stands behind the load balancer, in the filter chain of the cluster.
//!
//! `MODELGATE_ROTATION_S=300` lets the load go on for five minutes with keys of 20 seconds, and
//! `MODELGATE_OUTAGE_S=60` the endpoint be away for a minute.

mod chain_credentials {
    pub mod gateway;
    pub mod mock;
    pub mod moto;
}

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Request;
use modelgate_demo::client::{Call, send};
use modelgate_demo::loopback::Loopback;
use modelgate_tests::envoys::envoy;
use serde_json::{Value, json};

use chain_credentials::gateway::start;
use chain_credentials::mock::MockAws;

const CHURN: &str = "/endpoints/churn/invocations";

fn invoke(body: &str) -> Call {
    Call::post(CHURN, body).with("content-type", "text/csv")
}

const FROM_A_CONTAINER: &str = r#"
chain:
- aws-sigv4:
    region: eu-central-1
    credentials: { container: { cluster: ecs, url: "http://169.254.170.2/credentials" } }
"#;

fn seconds(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Sends requests at this rate for so long; every answer that is not 200.
async fn load(port: u16, per_second: u32, time: Duration) -> (usize, Vec<String>) {
    let mut tasks = Vec::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1) / per_second);
    let begun = Instant::now();
    while begun.elapsed() < time {
        clock.tick().await;
        tasks.push(tokio::spawn(async move {
            match send(port, &invoke("1,2,3")).await {
                Ok(answer) if answer.status == 200 => None,
                Ok(answer) => Some(format!("{}: {}", answer.status, answer.text())),
                Err(error) => Some(error.to_string()),
            }
        }));
    }
    let sent = tasks.len();
    let mut failed = Vec::new();
    for task in tasks {
        failed.extend(task.await.unwrap());
    }
    (sent, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_end_every_few_seconds_are_replaced_without_a_failed_request() {
    let Some(envoy) = envoy(None) else { return };
    let (life_s, time_s) = match seconds("MODELGATE_ROTATION_S") {
        Some(time_s) => (20, time_s),
        None => (6, 15),
    };
    let aws = MockAws::new(Duration::from_secs(life_s));
    let server = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let clusters = [("upstream", server.port()), ("ecs", server.port())];
    let gateway = start(&envoy, FROM_A_CONTAINER, &clusters, |_| {}).await;
    let (sent, failed) = load(gateway.port, 200, Duration::from_secs(time_s)).await;
    let given = aws.given.load(Ordering::SeqCst);
    println!(
        "{sent} requests in {time_s} s, {} failed, {given} keys of {life_s} s",
        failed.len()
    );
    assert!(failed.is_empty(), "{:?}", &failed[..failed.len().min(5)]);
    assert_eq!(*aws.refused.lock().unwrap(), Vec::<String>::new());
    assert_eq!(aws.taken.load(Ordering::SeqCst), sent);
    // Two workers and the main thread, each with its own.
    let rounds = usize::try_from(time_s / life_s).unwrap();
    assert!(given >= 3 * rounds, "{given} keys in {rounds} lives");
    assert!(
        given <= 3 * (2 * rounds + 4),
        "{given} keys in {rounds} lives"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_for_a_while_is_noticed_by_no_request() {
    let Some(envoy) = envoy(None) else { return };
    // It goes away before the keys are due, and comes back before they end.
    let (life_s, goes_s, away_s) = match seconds("MODELGATE_OUTAGE_S") {
        Some(away_s) => (away_s * 5, away_s * 7 / 2, away_s),
        None => (20, 13, 4),
    };
    let aws = MockAws::new(Duration::from_secs(life_s));
    let endpoint = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let service = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let clusters = [("upstream", service.port()), ("ecs", endpoint.port())];
    let gateway = start(&envoy, FROM_A_CONTAINER, &clusters, |_| {}).await;
    let time = Duration::from_secs(life_s + 5);
    let running = tokio::spawn(load(gateway.port, 100, time));
    tokio::time::sleep(Duration::from_secs(goes_s)).await;
    endpoint.down();
    let before = aws.given.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(away_s)).await;
    endpoint.up().unwrap();
    let (sent, failed) = running.await.unwrap();
    let given = aws.given.load(Ordering::SeqCst);
    println!(
        "{sent} requests, {} failed; away for {away_s} s of keys of {life_s} s, {given} keys",
        failed.len()
    );
    assert!(failed.is_empty(), "{:?}", &failed[..failed.len().min(5)]);
    assert!(given > before, "it was asked again");
}

/// The signer is moved from the listener's chain into that of the cluster `upstream`.
fn into_the_cluster(config: &mut Value) {
    let text = config.to_string();
    let manager = config
        .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
        .unwrap();
    let filters = manager["http_filters"].as_array_mut().unwrap();
    let at = filters
        .iter()
        .position(|filter| filter["name"] == "aws-sigv4")
        .unwrap_or_else(|| panic!("{text}"));
    let signer = filters.remove(at);
    // A second attempt for what fails.
    let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
    for route in routes.as_array_mut().unwrap() {
        route["route"]["retry_policy"] = json!({"retry_on": "5xx", "num_retries": 1});
    }
    let clusters = config["static_resources"]["clusters"]
        .as_array_mut()
        .unwrap();
    let upstream = clusters
        .iter_mut()
        .find(|cluster| cluster["name"] == "upstream");
    upstream.unwrap()["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            "http_filters": [
                signer,
                {
                    "name": "envoy.filters.http.upstream_codec",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
                },
            ],
        },
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_load_balancer_each_attempt_is_signed_anew() {
    const CHAIN: &str = r#"
chain:
- key-auth: { keys: [ { id: a, digest: "sha256:${sha256.key-of-ann}", consumer: ann }, { id: e, digest: "sha256:${sha256.key-of-eve}", consumer: eve } ] }
- aws-sigv4:
    region: eu-central-1
    host: runtime.sagemaker.eu-central-1.amazonaws.com
    credentials: { container: { cluster: ecs, url: "http://169.254.170.2/credentials" } }
    roles: [ { who: { consumers: [ ann ] } } ]
"#;
    let Some(envoy) = envoy(None) else { return };
    let aws = MockAws::new(Duration::from_secs(3600));
    let server = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let clusters = [("upstream", server.port()), ("ecs", server.port())];
    let gateway = start(&envoy, CHAIN, &clusters, into_the_cluster).await;
    let call = |key: &str, body: &str| {
        let call = invoke(body);
        call.with("x-api-key", key)
    };
    let answer = gateway.send(&call("key-of-ann", "1,2,3")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    aws.fails.store(1, Ordering::SeqCst);
    let answer = gateway.send(&call("key-of-ann", "4,5,6")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // What filters of the listener know of the caller is known here.
    let answer = gateway.send(&call("key-of-eve", "7")).await;
    let reason = answer.header("x-modelgate-reason");
    assert_eq!((answer.status, reason), (403, Some("role_denied")));
    let received = aws.received.lock().unwrap();
    let [_, first, second] = received.as_slice() else {
        panic!("{} requests", received.len());
    };
    for (target, headers, body) in [first, second] {
        assert_eq!((target.as_str(), &body[..]), (CHURN, &b"4,5,6"[..]));
        let host = "runtime.sagemaker.eu-central-1.amazonaws.com";
        assert_eq!(headers["host"], host);
    }
    assert_ne!(first.1["x-amz-date"], second.1["x-amz-date"]);
    assert_ne!(first.1["authorization"], second.1["authorization"]);
    assert_eq!(*aws.refused.lock().unwrap(), Vec::<String>::new());
}

/// A filter cannot read files: the proxy serves the file to it, on a socket that nobody else may
/// open, and reads it again when it is replaced.
fn serving(file: &Path) -> impl FnOnce(&mut Value) {
    let folder = file.parent().unwrap().to_str().unwrap().to_owned();
    let file = file.to_str().unwrap().to_owned();
    move |config: &mut Value| {
        let socket = json!({"pipe": {"path": format!("{folder}/tokens.sock"), "mode": 0o600}});
        let body = json!({"filename": file, "watched_directory": {"path": folder}});
        let listener = json!({
            "name": "tokens",
            "address": socket,
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "tokens",
                    "route_config": {"virtual_hosts": [{
                        "name": "tokens",
                        "domains": ["*"],
                        "routes": [{"match": {"path": "/token"}, "direct_response": {"status": 200, "body": body}}],
                    }]},
                    "http_filters": [{
                        "name": "envoy.filters.http.router",
                        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                    }],
                },
            }]}],
        });
        let cluster = json!({
            "name": "files",
            "load_assignment": {"cluster_name": "files", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}]},
        });
        let resources = &mut config["static_resources"];
        resources["listeners"]
            .as_array_mut()
            .unwrap()
            .push(listener);
        resources["clusters"].as_array_mut().unwrap().push(cluster);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_in_its_file_is_read_anew() {
    const CHAIN: &str = r#"
chain:
- aws-sigv4:
    region: eu-central-1
    credentials: { web_identity: { role_arn: "arn:aws:iam::1:role/pod", cluster: sts, token: { url: "http://tokens.local/token", cluster: files } } }
"#;
    let Some(envoy) = envoy(None) else { return };
    let aws = MockAws::new(Duration::from_secs(6));
    let server = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let replace = |token: &str| {
        let newer = folder.path().join("newer");
        std::fs::write(&newer, format!("{token}\n")).unwrap();
        std::fs::rename(newer, &file).unwrap();
        token.clone_into(&mut aws.token.lock().unwrap());
    };
    replace("one");
    let clusters = [("upstream", server.port()), ("sts", server.port())];
    let gateway = start(&envoy, CHAIN, &clusters, serving(&file)).await;
    for token in ["two", "three"] {
        let before = aws.given.load(Ordering::SeqCst);
        for _ in 0..8 {
            let answer = gateway.send(&invoke("1,2,3")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(
            aws.given.load(Ordering::SeqCst) > before,
            "keys were fetched again"
        );
        replace(token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_changes_to_a_signed_request_are_refused() {
    let Some(envoy) = envoy(None) else { return };
    let aws = MockAws::new(Duration::from_secs(3600));
    let server = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let clusters = [("upstream", server.port()), ("ecs", server.port())];
    let gateway = start(&envoy, FROM_A_CONTAINER, &clusters, |_| {}).await;
    let call = Call::post(&format!("{CHURN}?a=1"), "1,2,3")
        .with("content-type", "text/csv")
        .with("accept", "application/json");
    assert_eq!(gateway.send(&call).await.status, 200);
    let (target, headers, body) = aws.received.lock().unwrap()[0].clone();
    let again = |method: &str, target: &str, change: &[(&str, &str)], body: &[u8]| {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in &headers {
            if !change.iter().any(|(changed, _)| name.as_str() == *changed) {
                request = request.header(name, value);
            }
        }
        for (name, value) in change.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        aws.judge(&request.body(Bytes::copy_from_slice(body)).unwrap())
    };
    assert_eq!(
        again("POST", &target, &[], &body),
        Ok(()),
        "the replay itself is faithful"
    );
    let authorization = headers["authorization"].to_str().unwrap();
    let other_digit = |text: &str| {
        let (rest, last) = text.split_at(text.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    };
    let changed = |from: &str, to: &str| authorization.replacen(from, to, 1);
    let stamp = headers["x-amz-date"].to_str().unwrap();
    let signature = other_digit(authorization);
    let token = other_digit(headers["x-amz-security-token"].to_str().unwrap());
    let (region, service) = (
        changed("/eu-central-1/", "/us-east-1/"),
        changed("/sagemaker/", "/bedrock/"),
    );
    let fewer = changed("accept;", "");
    let date = other_digit(stamp.trim_end_matches('Z')) + "Z";
    type Tampered<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8]);
    let tampered: [Tampered<'_>; 12] = [
        ("POST", &target, &[], b"1,2,4"),
        ("PUT", &target, &[], b"1,2,3"),
        ("POST", "/endpoints/other/invocations?a=1", &[], b"1,2,3"),
        ("POST", &format!("{CHURN}?a=2"), &[], b"1,2,3"),
        ("POST", &format!("{CHURN}?a=1&b=1"), &[], b"1,2,3"),
        ("POST", &target, &[("content-type", "text/plain")], b"1,2,3"),
        ("POST", &target, &[("host", "other.test")], b"1,2,3"),
        ("POST", &target, &[("x-amz-date", &date)], b"1,2,3"),
        (
            "POST",
            &target,
            &[("x-amz-security-token", &token)],
            b"1,2,3",
        ),
        ("POST", &target, &[("authorization", &region)], b"1,2,3"),
        ("POST", &target, &[("authorization", &service)], b"1,2,3"),
        ("POST", &target, &[("authorization", &signature)], b"1,2,3"),
    ];
    for (at, (method, target, change, body)) in tampered.into_iter().enumerate() {
        let verdict = again(method, target, change, body);
        assert!(verdict.is_err(), "change {at}: {change:?}");
    }
    let verdict = again(
        "POST",
        &target,
        &[("authorization", &fewer), ("accept", "")],
        b"1,2,3",
    );
    assert!(verdict.is_err(), "a header and its name are left out");
}
