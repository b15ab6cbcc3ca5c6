//! Roles of callers: who signs for whom, and in which session.

use modelgate_kit::testing::{FakeProxy, TestGateway};
use serde_json::{Value, json};

use super::super::AwsSigv4;
use super::{NOON, POST};

fn open(config: &Value) -> TestGateway {
    TestGateway::open::<AwsSigv4>(FakeProxy::new(NOON), &config.to_string()).unwrap()
}

fn config(roles: Value) -> Value {
    json!({
        "region": "eu-central-1",
        "credentials": {"access_key_id": "AKIABASE", "secret_access_key": "s"},
        "roles": roles,
    })
}

fn role(name: &str) -> Value {
    json!({"role_arn": format!("arn:aws:iam::1:role/{name}"), "cluster": "sts"})
}

/// The answer of STS: the id of the key is that of the call.
fn answer(gate: &mut TestGateway, number: usize) {
    let body = format!(
        "<C><Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2015-08-30T13:36:00Z</Expiration></Credentials></C>"
    );
    gate.answer(
        u32::try_from(number).unwrap(),
        &[(":status", "200")],
        body.as_bytes(),
    );
}

/// Who signs for this caller: the id of the key, or the reason of the refusal. What STS is asked is
/// answered.
fn signs(gate: &mut TestGateway, identity: Option<Value>) -> String {
    match identity {
        Some(identity) => gate
            .proxy()
            .preset("modelgate.identity", identity.to_string()),
        None => gate.proxy().forget("modelgate.identity"),
    }
    let before = gate.proxy().calls().len();
    let (context, _) = gate.request(&POST);
    for number in before + 1..=gate.proxy().calls().len() {
        answer(gate, number);
    }
    gate.tick();
    let record = gate.record(context);
    gate.end(context);
    if let Some(reply) = record.reply {
        return reply.details.replace("modelgate.aws_sigv4.", "");
    }
    let authorization = record.request_header("authorization").unwrap().to_owned();
    let (_, credential) = authorization.split_once("Credential=").unwrap();
    credential.split('/').next().unwrap().to_owned()
}

fn caller(name: &str, team: &str) -> Option<Value> {
    Some(json!({"consumer": name, "groups": [team], "claims": {"tenant": team}}))
}

#[test]
fn the_first_rule_that_fits_says_which_role_signs() {
    let mut gate = open(&config(json!([
        {"who": {"groups": {"any_of": ["fraud"]}}, "assume_role": role("fraud")},
        {"who": {"consumers": ["nightly"]}},
        {"who": {"groups": {"any_of": ["ml"]}}, "assume_role": role("ml")},
    ])));
    assert_eq!(signs(&mut gate, caller("ann", "fraud")), "ASIA1");
    assert_eq!(signs(&mut gate, caller("ann", "ml")), "ASIA2");
    assert_eq!(
        signs(&mut gate, caller("bob", "fraud")),
        "ASIA1",
        "one session for both"
    );
    assert_eq!(signs(&mut gate, caller("nightly", "x")), "AKIABASE");
    assert_eq!(signs(&mut gate, caller("eve", "x")), "role_denied");
    assert_eq!(signs(&mut gate, None), "role_denied");
    let unknown = json!({"consumer": "eve", "groups_unknown": true});
    assert_eq!(
        signs(&mut gate, Some(unknown)),
        "role_denied",
        "unknown is no fit"
    );
    let calls = gate.proxy().calls();
    assert_eq!(calls.len(), 2);
    let form = String::from_utf8(calls[0].body.clone()).unwrap();
    assert!(
        form.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Ffraud&"),
        "{form}"
    );
    let authorization = calls[0].header("authorization").unwrap();
    assert!(
        authorization.contains("Credential=AKIABASE/"),
        "{authorization}"
    );
}

#[test]
fn callers_with_other_tags_have_other_sessions() {
    let mut tagged = role("models");
    tagged["session_tags"] = json!([
        {"key": "Consumer", "from": "consumer"},
        {"key": "Tenant", "from": {"claim": "tenant"}},
        {"key": "Gateway", "from": {"value": "modelgate"}},
    ]);
    let mut gate = open(&config(json!([{"who": {}, "assume_role": tagged}])));
    assert_eq!(
        signs(&mut gate, caller("ann", "a&b")),
        "tag_unknown",
        "no character of a tag"
    );
    assert_eq!(signs(&mut gate, caller("ann", "acme")), "ASIA1");
    assert_eq!(signs(&mut gate, caller("ann", "umbra")), "ASIA2");
    assert_eq!(signs(&mut gate, caller("ann", "acme")), "ASIA1");
    assert_eq!(
        signs(&mut gate, Some(json!({"consumer": "ann"}))),
        "tag_unknown"
    );
    let unsure = json!({"consumer": "ann", "claims_unknown": ["*"]});
    assert_eq!(signs(&mut gate, Some(unsure)), "tag_unknown");
    let calls = gate.proxy().calls();
    let form = String::from_utf8(calls[0].body.clone()).unwrap();
    let tags = "&Tags.member.1.Key=Consumer&Tags.member.1.Value=ann&Tags.member.2.Key=Tenant&Tags.member.2.Value=acme&Tags.member.3.Key=Gateway&Tags.member.3.Value=modelgate";
    assert!(form.ends_with(tags), "{form}");
}

#[test]
fn sessions_are_bounded_and_the_one_that_was_used_last_stays() {
    let mut tagged = role("models");
    tagged["session_tags"] = json!([{"key": "Consumer", "from": "consumer"}]);
    let mut written = config(json!([{"who": {}, "assume_role": tagged}]));
    written["credentials_refresh"] = json!({"max_sessions": 2});
    let mut gate = open(&written);
    let mut say = |name: &str| {
        gate.proxy().pass_ns(1_000_000);
        signs(&mut gate, caller(name, "x"))
    };
    assert_eq!([say("a"), say("b"), say("a")], ["ASIA1", "ASIA2", "ASIA1"]);
    assert_eq!(say("c"), "ASIA3", "in the place of b");
    assert_eq!([say("a"), say("b")], ["ASIA1", "ASIA4"]);
}

#[test]
fn where_all_sessions_wait_the_next_caller_is_told_to_come_again() {
    let mut tagged = role("models");
    tagged["session_tags"] = json!([{"key": "Consumer", "from": "consumer"}]);
    let mut written = config(json!([{"who": {}, "assume_role": tagged}]));
    written["credentials_refresh"] = json!({"max_sessions": 1});
    let mut gate = open(&written);
    gate.proxy()
        .preset("modelgate.identity", r#"{"consumer":"a"}"#);
    let (waiting, _) = gate.request(&POST);
    gate.proxy()
        .preset("modelgate.identity", r#"{"consumer":"b"}"#);
    let (context, _) = gate.request(&POST);
    let reply = gate.record(context).reply.unwrap();
    assert_eq!(reply.details, "modelgate.aws_sigv4.sessions_exhausted");
    answer(&mut gate, 1);
    gate.tick();
    assert!(
        gate.record(waiting)
            .request_header("authorization")
            .is_some()
    );
}

#[test]
fn another_configuration_of_the_vm_goes_on_with_the_sessions_of_its_roles() {
    let mut tagged = role("ml");
    tagged["session_tags"] = json!([
        {"key": "Tenant", "from": {"claim": "tenant"}},
        {"key": "Stage", "from": {"value": "prod"}},
    ]);
    let rule = |group: &str, role: &Value| json!({"who": {"groups": {"any_of": [group]}}, "assume_role": role});
    let mut gate = open(&config(json!([
        rule("fraud", &role("fraud")),
        rule("ml", &tagged)
    ])));
    assert_eq!(signs(&mut gate, caller("ann", "fraud")), "ASIA1");
    assert_eq!(signs(&mut gate, caller("ann", "ml")), "ASIA2");
    // Other rules, in another order, for another service. The old ones are gone before anybody
    // asks.
    let replace = |gate: &mut TestGateway, roles: Value, most: u32| {
        let mut written = config(roles);
        written["service"] = json!("bedrock");
        written["credentials_refresh"] = json!({"max_sessions": most});
        let old = gate.reconfigure(&written.to_string()).unwrap();
        gate.delete(old);
        gate.tick();
    };
    let both = json!([{"who": {"consumers": ["nightly"]}}, rule("ml", &tagged), rule("fraud", &role("fraud"))]);
    replace(&mut gate, both.clone(), 1000);
    assert_eq!(signs(&mut gate, caller("bob", "ml")), "ASIA2");
    assert_eq!(signs(&mut gate, caller("bob", "fraud")), "ASIA1");
    assert_eq!(gate.proxy().calls().len(), 2, "nothing was asked for again");
    // No more than there may be: the one that was used last.
    gate.proxy().pass_ns(1_000_000);
    assert_eq!(signs(&mut gate, caller("bob", "ml")), "ASIA2");
    replace(&mut gate, both, 1);
    assert_eq!(signs(&mut gate, caller("bob", "ml")), "ASIA2");
    assert_eq!(signs(&mut gate, caller("bob", "fraud")), "ASIA3");
    // Another tag, another external id: other sessions.
    let mut other = tagged.clone();
    other["session_tags"][1]["from"] = json!({"value": "test"});
    let mut strict = role("fraud");
    strict["external_id"] = json!("acme");
    replace(
        &mut gate,
        json!([rule("ml", &other), rule("fraud", &strict)]),
        1000,
    );
    assert_eq!(signs(&mut gate, caller("bob", "ml")), "ASIA4");
    assert_eq!(signs(&mut gate, caller("bob", "fraud")), "ASIA5");
}
