//! What the machine does on nginx, with a proxy in memory that is taken for one.

use std::rc::Rc;

use super::*;
use crate::config::{Problems, Setup};
use crate::exchange::Exchange;
use crate::facts::{Identity, Serialized};
use crate::filter::{Filter, Needs};
use crate::problem::{Reason, Reply, common};
use crate::testing::{FakeProxy, TestGateway};
use crate::vm::verdict::Action;

/// What [`Probe`] does.
#[derive(
    Clone, Copy, Debug, Default, serde::Deserialize, schemars::JsonSchema, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
enum Does {
    #[default]
    Nothing,
    /// Writes what it sees of the request into `x-seen`.
    Sees,
    /// Takes `x-who` out, and sets it.
    Sets,
    /// Refuses a body that is empty.
    Body,
    /// Refuses where it has looked that there is no body, and goes on.
    Whole,
    /// Leaves who calls.
    Leaves,
    /// Writes into `x-seen` who calls.
    Finds,
    /// Refuses the answer.
    Answer,
    /// Calls, and lets its background call.
    Calls,
}

#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    does: Does,
}

crate::reasons! { "probe";
    EMPTY = 403 "empty", "It is empty.", "Never but in tests.";
}

struct Probe;

impl Filter for Probe {
    const NAME: &'static str = "probe";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        response_body: true,
        callouts: true,
        tick_ms: 500,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = ALL;
    type Config = Written;
    type Plan = Written;

    fn compile(config: Written, _: &Setup<'_>, _: &mut Problems) -> Option<Written> {
        Some(config)
    }

    async fn handle(plan: Rc<Written>, exchange: Exchange) -> Result<(), Reply> {
        let request = exchange.request();
        match plan.does {
            Does::Nothing => {}
            Does::Sees => {
                let headers = request.headers()?;
                let seen: Vec<String> = headers
                    .iter()
                    .map(|(name, value)| [name, value].map(String::from_utf8_lossy).join("="))
                    .collect();
                request.set_header("x-seen", seen.join(" "))?;
            }
            Does::Sets => {
                exchange.remove_lookalikes(&*request.headers()?, ["x-who"].into_iter())?;
                request.set_header("x-who", "ann")?;
            }
            Does::Body => {
                let body = request.body(100).await.map_err(|_| Status::NotFound)?;
                if body.is_empty() {
                    return Err(Reply::new(&EMPTY));
                }
            }
            Does::Whole => {
                let _ = request.is_whole();
            }
            Does::Leaves => exchange.publish(Identity {
                consumer: "ann".into(),
                ..Identity::default()
            })?,
            Does::Finds => {
                let found = exchange.fact::<Identity>().ok_or(&EMPTY)?;
                request.set_header("x-seen", &found.consumer)?;
            }
            Does::Answer => {
                exchange.forward().await;
                return Err(Reply::new(&EMPTY));
            }
            Does::Calls => {
                exchange.nudge_background();
                let called = exchange.call(&crate::call::Call::default()).await;
                called.map_err(|_| &common::HOST_REFUSED)?;
            }
        }
        Ok(())
    }

    async fn background(plan: Rc<Written>, root: crate::root::Root) {
        if matches!(plan.does, Does::Calls) {
            let _ = root.call(&crate::call::Call::default()).await;
        }
    }
}

fn gateway(does: &str) -> TestGateway {
    let config = format!(r#"{{"does":"{does}"}}"#);
    TestGateway::open::<Probe>(FakeProxy::nginx(0), &config).unwrap()
}

/// The reason of the reply to a request for `sent`, which nginx shows as `shown`.
fn reason(does: &str, sent: &str, shown: &str, headers: &[(&str, &str)]) -> Option<String> {
    let mut gateway = gateway(does);
    gateway.proxy().preset("request.path", sent);
    let mut all = vec![(":method", "GET"), (":path", shown), ("host", "h")];
    all.extend_from_slice(headers);
    let (at, _) = gateway.begin(&all, false);
    let reply = gateway.record(at).reply?;
    reply.header("x-modelgate-reason").map(str::to_owned)
}

#[test]
fn a_path_that_nginx_reads_otherwise_than_the_upstream_may_is_refused() {
    for (sent, shown, passes) in [
        ("/v2/models/ok/infer", "/v2/models/ok/infer", true),
        ("/v2/ok?a=/../b", "/v2/ok?a=/../b", true),
        ("/a%20b/%C3%A9?x", "/a b/é?x", true),
        ("/", "/", true),
        ("/a/", "/a/", true),
        ("/secret%2f..%2fok", "/ok", false),
        ("/secret/%2e%2e/ok", "/ok", false),
        ("/secret/../ok", "/ok", false),
        ("//ok", "/ok", false),
        ("/ok%2finfer", "/ok/infer", false),
        ("/x%3f/../ok", "/ok", false),
        ("/a%3fb", "/a?b", false),
        ("/ok#x", "/ok", false),
        // Rewritten by nginx: what is judged would not be what is sent.
        ("/api/ok", "/ok", false),
        // As it stands, filters may judge it.
        ("//ok", "//ok", true),
    ] {
        let refused = (!passes).then(|| "path_ambiguous".to_owned());
        assert_eq!(reason("nothing", sent, shown, &[]), refused, "{sent}");
    }
}

#[test]
fn a_request_line_with_a_whole_url_is_refused() {
    for (line, passes) in [
        ("GET /a HTTP/1.1", true),
        ("OPTIONS * HTTP/1.1", true),
        ("GET /a", true),
        ("GET http://other.example/a HTTP/1.1", false),
        ("CONNECT other.example:443 HTTP/1.1", false),
        ("GET", false),
        ("", false),
    ] {
        let mut gateway = gateway("nothing");
        gateway.proxy().preset("request.path", "/a");
        gateway.proxy().preset("ngx.request", line);
        let (at, _) = gateway.begin(&[(":path", "/a"), ("host", "h")], false);
        let status = gateway.record(at).reply.map(|reply| reply.status);
        assert_eq!(status, (!passes).then_some(400), "{line}");
    }
}

#[test]
fn a_request_of_which_nginx_does_not_say_what_was_asked_for_is_refused() {
    for missing in ["ngx.request", "ngx.nginx_version"] {
        let mut gateway = gateway("nothing");
        gateway.proxy().forget(missing);
        let (at, _) = gateway.begin(&[(":path", "/a"), ("host", "h")], false);
        let reply = gateway.record(at).reply.expect("nothing passes");
        let reason = reply.header("x-modelgate-reason");
        assert_eq!(reason, Some("host_refused"), "{missing}");
    }
}

#[test]
fn filters_see_the_path_that_was_sent_and_the_host_of_the_client() {
    let mut gateway = gateway("sees");
    gateway.proxy().preset("request.path", "/a%20b?q");
    let headers = [
        (":method", "GET"),
        (":path", "/a b?q"),
        (":authority", "_:8080"),
        ("host", "models.example"),
        ("x-empty", ""),
        ("x-twice", ""),
        ("x-twice", "2"),
    ];
    let (at, _) = gateway.begin(&headers, false);
    assert_eq!(
        gateway.record(at).request_header("x-seen"),
        Some(":method=GET :path=/a%20b?q :authority=models.example x-empty= x-twice= x-twice=2")
    );
}

#[test]
fn more_headers_than_nginx_shows_are_refused() {
    let names: Vec<String> = (0..97).map(|at| format!("x-{at}")).collect();
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let refused = reason("nothing", "/", "/", &headers);
    assert_eq!(refused.as_deref(), Some("headers_too_many"));
    headers.pop();
    assert_eq!(reason("nothing", "/", "/", &headers), None);
}

#[test]
fn a_header_is_emptied_and_set_in_place_and_one_that_came_twice_is_refused() {
    let mut gateway = gateway("sets");
    let headers = [(":path", "/"), ("X-Who", "root"), ("x_who", "root")];
    let (at, _) = gateway.begin(&headers, false);
    let record = gateway.record(at);
    let values = record.request.iter().filter(|(name, _)| name == "x-who");
    assert_eq!(
        values
            .map(|(_, value)| value.as_slice())
            .collect::<Vec<_>>(),
        [b"ann"]
    );
    assert_eq!(record.request_header("x_who"), Some(""));
    let twice = [("x-who", "a"), ("x-who", "b")];
    let refused = reason("sets", "/", "/", &twice);
    assert_eq!(refused.as_deref(), Some("header_ambiguous"));
}

#[test]
fn what_was_taken_out_is_none_and_what_the_client_sent_empty_is_there() {
    let proxy = FakeProxy::nginx(0);
    let sent = [(":path", "/"), ("x-a", "1"), ("x-b", ""), ("x-c", "")];
    proxy.begin(1, &sent);
    proxy.enter(1);
    // Each filter may be a module of its own: nothing but the request says what was taken out.
    let module = || Nginx::new(Rc::clone(&proxy) as Rc<dyn Proxy>);
    let seen = || {
        let pairs = module().pairs(Map::RequestHeaders).unwrap();
        let block = HeaderBlock::new(pairs);
        let all = block.iter().skip(1);
        all.map(|(name, value)| [name, value].map(String::from_utf8_lossy).join("="))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(seen(), "x-a=1 x-b= x-c=");
    for (name, left) in [("x-a", "x-b= x-c="), ("x-b", "x-c="), ("x-a", "x-c=")] {
        assert_eq!(module().remove_header(Map::RequestHeaders, name), Ok(()));
        assert_eq!(seen(), left, "{name}");
    }
    assert_eq!(
        module().set_header(Map::RequestHeaders, "x-a", b"2"),
        Ok(())
    );
    assert_eq!(seen(), "x-c= x-a=2");
    let kept = proxy.property(&["wasmx", "modelgate.emptied"]);
    assert_eq!(kept.as_deref(), Ok(&b"x-a\nx-b\n"[..]));
}

#[test]
fn headers_go_on_and_the_body_is_judged_when_it_is_here() {
    let mut gateway = gateway("body");
    let headers = [(":path", "/"), ("content-length", "3")];
    let (at, action) = gateway.begin(&headers, false);
    assert_eq!(action, Action::Continue);
    assert_eq!(gateway.proxy().metric("modelgate.probe.allowed"), 0);
    assert_eq!(
        gateway.body(at, Side::Request, b"abc", true),
        Action::Continue
    );
    assert_eq!(gateway.record(at).reply, None);
    assert_eq!(gateway.proxy().metric("modelgate.probe.allowed"), 1);
}

#[test]
fn a_request_that_announces_no_body_has_none() {
    for headers in [&[][..], &[("content-length", "0")]] {
        let refused = reason("body", "/", "/", headers);
        assert_eq!(refused.as_deref(), Some("empty"));
    }
    for empty in ["00", "0"] {
        let refused = reason("body", "/", "/", &[("content-length", empty)]);
        assert_eq!(refused.as_deref(), Some("empty"));
    }
    for length in ["1", "007"] {
        let headers = [("content-length", length)];
        assert_eq!(reason("body", "/", "/", &headers), None);
    }
}

#[test]
fn a_body_that_may_be_empty_is_refused_where_a_filter_waits_for_it() {
    let chunked = ("transfer-encoding", "chunked");
    for headers in [
        &[chunked][..],
        &[chunked, ("content-length", "3")],
        &[("content-length", "")],
        &[("content-length", "3, 3")],
        &[("content-length", "0"), ("content-length", "3")],
    ] {
        let refused = reason("body", "/", "/", headers);
        assert_eq!(refused.as_deref(), Some("body_unannounced"), "{headers:?}");
        assert_eq!(reason("nothing", "/", "/", headers), None);
    }
}

#[test]
fn a_body_that_was_not_announced_is_refused_where_a_filter_has_gone_by_that() {
    for (does, refused) in [("whole", Some(411)), ("nothing", None)] {
        let mut gateway = gateway(does);
        let (at, action) = gateway.begin(&[(":path", "/")], false);
        assert_eq!(action, Action::Continue);
        gateway.body(at, Side::Request, b"abc", true);
        let reply = gateway.record(at).reply;
        assert_eq!(reply.map(|reply| reply.status), refused, "{does}");
    }
}

#[test]
fn facts_are_properties_that_neither_client_nor_upstream_see() {
    for (kong, path) in [
        (false, "wasmx.modelgate.identity"),
        (true, "kong.ctx.shared.modelgate_identity"),
    ] {
        let proxy = FakeProxy::nginx(0);
        if kong {
            proxy.preset("kong.version", "3.9.1");
        }
        let config = r#"{"does":"leaves"}"#;
        let mut leaves = TestGateway::open::<Probe>(Rc::clone(&proxy), config).unwrap();
        let (at, _) = leaves.begin(&[(":path", "/")], false);
        let record = leaves.record(at);
        let ann = record.properties.get(path).expect("a property");
        assert_eq!(record.request, [(":path".to_owned(), b"/".to_vec())]);

        // Another module finds it there, and a header of the name is nothing.
        proxy.preset(path, ann);
        let config = r#"{"does":"finds"}"#;
        let mut finds = TestGateway::open::<Probe>(proxy, config).unwrap();
        let (at, _) = finds.begin(&[(":path", "/")], false);
        assert_eq!(finds.record(at).request_header("x-seen"), Some("ann"));
    }
    let ann = Serialized::from(Identity::default());
    let ann = std::str::from_utf8(ann.json()).unwrap();
    let headers = [
        ("wasmx.modelgate.identity", ann),
        ("modelgate.identity", ann),
    ];
    assert_eq!(
        reason("finds", "/", "/", &headers).as_deref(),
        Some("empty")
    );
}

#[test]
fn a_response_is_answered_in_its_place_and_by_no_local_reply() {
    let mut gateway = gateway("answer");
    let (at, _) = gateway.begin(&[(":path", "/")], false);
    let head = [(":status", "200"), ("content-length", "6"), ("etag", "x")];
    assert_eq!(gateway.respond(at, &head, false), Action::Continue);
    let record = gateway.record(at);
    assert_eq!(record.response_header("content-length"), None);
    assert_eq!(record.response_header("etag"), None);
    assert_eq!(record.response_header("x-modelgate-reason"), Some("empty"));
    for (bytes, last) in [(&b"secret"[..], false), (b"", false), (b"secret", true)] {
        assert_eq!(
            gateway.body(at, Side::Response, bytes, last),
            Action::Continue
        );
    }
    let record = gateway.record(at);
    let passed = String::from_utf8(record.passed.response).unwrap();
    assert!(
        passed.contains("\"reason\":\"empty\"") && !passed.contains("secret"),
        "{passed}"
    );
    assert_eq!(record.replies, 0);
}

#[test]
fn an_answer_of_whose_request_the_vm_knows_nothing_any_more_is_kept_back() {
    for (lost, refused) in [(true, true), (false, false)] {
        let mut gateway = gateway("nothing");
        let (at, _) = gateway.begin(&[(":path", "/")], false);
        if lost {
            gateway.take_over(at);
        }
        gateway.respond(at, &[(":status", "200")], false);
        gateway.body(at, Side::Response, b"secret", true);
        let passed = String::from_utf8(gateway.record(at).passed.response).unwrap();
        assert_eq!(passed.contains("host_refused"), refused, "{passed}");
        assert_eq!(passed.contains("secret"), !refused, "{passed}");
    }
    // The reply of a filter before this one: nothing was begun.
    let mut gateway = gateway("nothing");
    gateway.proxy().begin(7, &[(":path", "/")]);
    gateway.take_over(7);
    gateway.respond(7, &[(":status", "401")], false);
    gateway.body(7, Side::Response, b"no", true);
    assert_eq!(gateway.record(7).passed.response, b"no");
}

#[test]
fn only_ticks_make_callouts() {
    let mut gateway = gateway("calls");
    let (at, _) = gateway.begin(&[(":path", "/")], false);
    let refused = gateway.record(at).reply.expect("a refusal");
    assert_eq!(refused.header("x-modelgate-reason"), Some("host_refused"));
    gateway.end(at);
    assert!(gateway.proxy().calls().is_empty());
    gateway.tick();
    assert_eq!(gateway.proxy().calls().len(), 1);
}

#[test]
fn a_refused_configuration_is_taken_and_every_request_refused() {
    let proxy = FakeProxy::nginx(0);
    let mut gateway = TestGateway::open::<Probe>(Rc::clone(&proxy), r#"{"dose":"body"}"#).unwrap();
    let (at, action) = gateway.begin(&[(":path", "/")], false);
    let reply = gateway.record(at).reply.expect("a refusal");
    assert_eq!((reply.status, action), (500, Action::Pause));
    assert_eq!(
        reply.header("x-modelgate-reason"),
        Some("configuration_refused")
    );
    let logs = proxy.logs();
    assert!(
        logs.iter()
            .any(|line| line.contains("dose") && line.contains("does")),
        "{logs:?}"
    );

    // A good one mends it, and a bad one afterwards does not leave the good one in force.
    gateway.reconfigure("{}").unwrap();
    let (at, _) = gateway.begin(&[(":path", "/")], false);
    assert_eq!(gateway.record(at).reply, None);
    gateway.reconfigure("[]").unwrap();
    let (at, _) = gateway.begin(&[(":path", "/")], false);
    assert_eq!(
        gateway.record(at).reply.map(|reply| reply.status),
        Some(500)
    );
}

#[test]
fn a_profile_that_only_metadata_could_choose_is_refused() {
    for (rules, status) in [
        ("[]", Some(500)),
        (
            r#"[{"match": {"methods": ["POST"]}, "profile": "p"}]"#,
            None,
        ),
    ] {
        let proxy = FakeProxy::nginx(0);
        let config = format!(r#"{{"profiles": {{"p": {{}}}}, "profile_rules": {rules}}}"#);
        let mut gateway = TestGateway::open::<Probe>(Rc::clone(&proxy), &config).unwrap();
        let (at, _) = gateway.begin(&[(":path", "/")], false);
        let reply = gateway.record(at).reply;
        assert_eq!(reply.map(|reply| reply.status), status);
        let told = proxy.logs().iter().any(|line| line.contains("profiles.p"));
        assert_eq!(told, status.is_some());
    }
}

#[test]
fn what_only_looks_like_nginx_lets_nothing_pass() {
    for version in [None, Some(""), Some("nonsense")] {
        let proxy = Rc::new(FakeProxy::default());
        if let Some(version) = version {
            proxy.preset("ngx.nginx_version", version);
        }
        let mut gateway = TestGateway::open::<Probe>(proxy, "{}").unwrap();
        let (at, _) = gateway.begin(&[(":path", "/")], false);
        let reply = gateway.record(at).reply;
        assert_eq!(reply.map(|reply| reply.status), Some(500), "{version:?}");
    }
}

#[test]
fn who_does_not_say_that_it_is_envoy_is_not_taken_for_it() {
    for (proxy, status) in [(FakeProxy::new(0), Some(500)), (FakeProxy::nginx(0), None)] {
        proxy.break_properties(Some(Status::InternalFailure));
        let mut gateway = TestGateway::open::<Probe>(Rc::clone(&proxy), "{}").unwrap();
        proxy.break_properties(None);
        let (at, _) = gateway.begin(&[(":path", "/")], false);
        let reply = gateway.record(at).reply;
        assert_eq!(reply.map(|reply| reply.status), status);
    }
}

#[test]
fn what_nginx_would_take_and_not_do_is_refused() {
    let proxy = FakeProxy::nginx(0);
    proxy.begin(
        1,
        &[(":path", "/"), ("x-a", "1"), ("x-b", "1"), ("X-B", "2")],
    );
    proxy.enter(1);
    let nginx = Nginx::new(Rc::clone(&proxy) as Rc<dyn Proxy>);
    let map = Map::RequestHeaders;
    for name in [":path", ":authority", "host"] {
        assert_eq!(
            nginx.set_header(map, name, b"x"),
            Err(Status::Unimplemented)
        );
    }
    assert_eq!(nginx.set_header(map, "x-b", b"x"), Err(Status::BadArgument));
    assert_eq!(nginx.remove_header(map, "x-b"), Err(Status::BadArgument));
    assert_eq!(nginx.remove_header(map, "x-c"), Ok(()));
    assert_eq!(nginx.set_header(map, "x-a", b"2"), Ok(()));
    assert_eq!(
        nginx.foreign("verify_signature", b""),
        Err(Status::Unimplemented)
    );
    assert_eq!(proxy.foreign_calls(), 0);
    assert_eq!(nginx.set_property("anything", b""), Err(Status::NotFound));
}
