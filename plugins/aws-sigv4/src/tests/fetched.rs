//! Credentials that are fetched: in which order sources are asked, when again, and what requests
//! see of it.

use modelgate_kit::testing::{FakeProxy, Sent, TestGateway};
use modelgate_kit::vm::verdict::Action::{Continue, Pause};
use serde_json::{Value, json};

use super::super::AwsSigv4;
use super::{NOON, POST};

/// One gateway, and whoever answers its calls: by the path of the call, in order of the rules, the
/// first that the path begins with.
struct FakeAws {
    gate: TestGateway,
    answered: usize,
    rules: Vec<(&'static str, u16, String)>,
}

impl FakeAws {
    fn open(config: Value, rules: Vec<(&'static str, u16, String)>) -> Self {
        let proxy = FakeProxy::new(NOON);
        let gate = TestGateway::open::<AwsSigv4>(proxy, &written(config).to_string());
        Self {
            gate: gate.unwrap(),
            answered: 0,
            rules,
        }
    }

    /// Answers what was asked, until nothing more is.
    fn answer(&mut self) {
        while let Some(call) = self.calls().get(self.answered) {
            self.answered += 1;
            let path = call.header(":path").unwrap().to_owned();
            let form = String::from_utf8_lossy(&call.body).into_owned();
            let mut rules = self.rules.iter();
            let rule = rules.find(|(key, _, _)| path.starts_with(key) || form.contains(key));
            let (_, status, body) = rule.unwrap_or_else(|| panic!("nobody answers {path} {form}"));
            let (status, body) = (status.to_string(), body.clone());
            let number = u32::try_from(self.answered).unwrap();
            self.gate
                .answer(number, &[(":status", &status)], body.as_bytes());
        }
    }

    fn rule(&mut self, key: &'static str, status: u16, body: String) {
        self.rules.insert(0, (key, status, body));
    }

    fn calls(&self) -> Vec<Sent> {
        self.gate.proxy().calls()
    }

    /// What was asked, as method, cluster and path.
    fn asked(&self) -> Vec<String> {
        let calls = self.calls();
        let shown = calls.iter().map(|call| {
            let text = |name| call.header(name).unwrap_or_default();
            format!("{} {} {}", text(":method"), call.details, text(":path"))
        });
        shown.collect()
    }

    /// Time passes, in ticks, and what is asked meanwhile is answered.
    fn pass_ms(&mut self, ms: u64) {
        for _ in 0..ms / 500 {
            self.gate.proxy().pass_ns(500_000_000);
            self.gate.tick();
            self.answer();
        }
    }

    /// The id of the key that a request is signed with, or the reason of its refusal.
    fn signs(&mut self) -> String {
        let (context, _) = self.gate.request(&POST);
        self.answer();
        self.gate.tick();
        let said = self.said(context);
        self.gate.end(context);
        said
    }

    fn said(&self, context: u32) -> String {
        let record = self.gate.record(context);
        if let Some(reply) = &record.reply {
            return reply.details.replace("modelgate.aws_sigv4.", "");
        }
        let authorization = record.request_header("authorization").unwrap_or_default();
        let (_, credential) = authorization.split_once("Credential=").unwrap_or_default();
        credential.split('/').next().unwrap().to_owned()
    }
}

fn written(more: Value) -> Value {
    let mut whole = json!({ "region": "eu-central-1" });
    let members = whole.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    whole
}

/// Credentials as JSON; NOON is 2015-08-30T12:36:00Z.
fn key(id: &str, ends: &str) -> String {
    json!({"Code": "Success", "AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "Expiration": ends})
        .to_string()
}

fn sts(id: &str, ends: &str) -> String {
    format!(
        "<R><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{ends}</Expiration></Credentials></R>"
    )
}

const HOUR: &str = "2015-08-30T13:36:00Z";

fn container() -> Value {
    json!({"credentials": {"container": {"cluster": "ecs", "url": "http://169.254.170.2/v2/credentials/x", "authorization_token": "tok"}}})
}

#[test]
fn requests_wait_for_the_first_credentials_and_share_one_fetch() {
    let mut aws = FakeAws::open(container(), vec![("/v2", 200, key("ASIA1", HOUR))]);
    let (first, action) = aws.gate.request(&POST);
    assert_eq!(action, Pause);
    let (second, action) = aws.gate.request(&POST);
    assert_eq!(action, Pause);
    assert_eq!(aws.asked(), ["GET ecs /v2/credentials/x"]);
    let calls = aws.calls();
    assert_eq!(calls[0].header("authorization"), Some("tok"));
    aws.answer();
    aws.gate.tick();
    assert_eq!([aws.said(first), aws.said(second)], ["ASIA1", "ASIA1"]);
    let record = aws.gate.record(first);
    assert_eq!(record.request_header("x-amz-security-token"), Some("t"));
    let (third, action) = aws.gate.request(&POST);
    assert_eq!((action, aws.said(third).as_str()), (Continue, "ASIA1"));
    assert_eq!(aws.asked().len(), 1);
}

#[test]
fn a_request_does_not_wait_longer_than_allowed() {
    let mut config = container();
    config["credentials_refresh"] = json!({"wait_ms": 1000});
    let mut aws = FakeAws::open(config, Vec::new());
    let (context, action) = aws.gate.request(&POST);
    assert_eq!(action, Pause);
    for _ in 0..3 {
        aws.gate.proxy().pass_ns(500_000_000);
        aws.gate.tick();
    }
    assert_eq!(aws.said(context), "credentials_unavailable");
    let reply = aws.gate.record(context).reply.unwrap();
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("5"))
    );
}

#[test]
fn credentials_are_renewed_before_their_end_and_the_last_ones_serve_until_then() {
    let mut aws = FakeAws::open(container(), vec![("/v2", 200, key("ASIA1", HOUR))]);
    assert_eq!(aws.signs(), "ASIA1");
    // 48 minutes: neither five minutes before the end nor a tenth of the life earlier.
    aws.pass_ms(48 * 60_000);
    assert_eq!(aws.asked().len(), 1);
    aws.rule("/v2", 500, String::new());
    aws.pass_ms(11 * 60_000);
    let asked = aws.asked().len();
    assert!(asked > 10, "{asked}: tried again and again");
    assert_eq!(aws.signs(), "ASIA1", "the last ones serve");
    let logs = aws.gate.proxy().logs().join("\n");
    let told =
        "aws_sigv4: credentials: credentials could not be fetched: container endpoint: status 500";
    assert!(logs.contains(told), "{logs}");
    assert!(logs.matches(told).count() <= 12, "once a minute: {logs}");
    aws.pass_ms(60_000);
    assert_eq!(aws.signs(), "credentials_unavailable", "they have ended");
    aws.rule("/v2", 200, key("ASIA2", "2015-08-30T16:00:00Z"));
    aws.pass_ms(10_000);
    assert_eq!(aws.signs(), "ASIA2");
}

#[test]
fn a_rotation_is_seen_by_no_request() {
    let mut aws = FakeAws::open(
        container(),
        vec![("/v2", 200, key("ASIA1", "2015-08-30T12:36:20Z"))],
    );
    assert_eq!(aws.signs(), "ASIA1");
    for round in 0..30_u64 {
        // Each lives for 20 seconds from now on.
        let ends = 1_440_938_160 + round * 5 + 25;
        let (minute, second) = (ends / 60 % 60, ends % 60);
        aws.rule(
            "/v2",
            200,
            key("ASIA2", &format!("2015-08-30T12:{minute:02}:{second:02}Z")),
        );
        for _ in 0..10 {
            aws.pass_ms(500);
            assert!(aws.signs().starts_with("ASIA"), "round {round}");
        }
    }
    let asked = aws.asked().len();
    assert!((8..=20).contains(&asked), "{asked} in 150 seconds");
}

#[test]
fn a_source_that_has_nothing_is_passed_over_and_one_that_fails_is_not() {
    let sources = json!({"credentials": [
        {"environment": {}},
        {"container": {"cluster": "ecs"}},
        {"container": {"cluster": "eks", "url": "http://169.254.170.23/v1/credentials"}},
        {"instance_metadata": {"cluster": "imds"}},
        {"access_key_id": "AKIALAST", "secret_access_key": "s"},
    ]});
    let imds = |status, body: &str| ("/latest/meta-data", status, body.to_owned());
    let rules = || {
        vec![
            ("/v1/credentials", 404, String::new()),
            ("/latest/api/token", 200, "session".to_owned()),
            (
                "/latest/meta-data/iam/security-credentials/models",
                200,
                key("ASIAEC2", HOUR),
            ),
            imds(200, "models\n"),
        ]
    };
    let mut aws = FakeAws::open(sources.clone(), rules());
    assert_eq!(aws.signs(), "ASIAEC2");
    assert_eq!(
        aws.asked(),
        [
            "GET eks /v1/credentials",
            "PUT imds /latest/api/token",
            "GET imds /latest/meta-data/iam/security-credentials/",
            "GET imds /latest/meta-data/iam/security-credentials/models",
        ]
    );
    let calls = aws.calls();
    assert_eq!(
        calls[1].header("x-aws-ec2-metadata-token-ttl-seconds"),
        Some("60")
    );
    assert_eq!(calls[3].header("x-aws-ec2-metadata-token"), Some("session"));

    let mut aws = FakeAws::open(sources.clone(), rules());
    aws.rule("/latest/meta-data", 404, String::new());
    assert_eq!(aws.signs(), "AKIALAST", "an instance without a role");
    for (key, status) in [
        ("/v1/credentials", 500),
        ("/latest/api/token", 403),
        ("/latest/meta-data", 401),
    ] {
        let mut aws = FakeAws::open(sources.clone(), rules());
        aws.rule(key, status, String::new());
        assert_eq!(aws.signs(), "credentials_unavailable", "{key} {status}");
    }
}

#[test]
fn a_token_becomes_a_role_which_becomes_another_which_reads_a_secret() {
    let config = json!({"credentials": {
        "web_identity": {"role_arn": "arn:aws:iam::1:role/pod", "cluster": "sts", "token": {"url": "http://token.local/token", "cluster": "files"}},
        "assume_role": [{"role_arn": "arn:aws:iam::2:role/models", "cluster": "sts", "external_id": "ext 1", "session_tags": [{"key": "Team", "from": {"value": "ml"}}]}],
        "secrets_manager": {"secret_id": "prod/models", "cluster": "secrets"},
    }});
    let stored = json!({"SecretString": json!({"access_key_id": "AKIASTORED", "secret_access_key": "s"}).to_string()});
    let mut aws = FakeAws::open(
        config,
        vec![
            ("/token", 200, "eyJ.a.b\n".to_owned()),
            ("AssumeRoleWithWebIdentity", 200, sts("ASIAPOD", HOUR)),
            ("Action=AssumeRole&", 200, sts("ASIAROLE", HOUR)),
            ("SecretId", 200, stored.to_string()),
        ],
    );
    assert_eq!(aws.signs(), "AKIASTORED");
    assert_eq!(
        aws.asked(),
        [
            "GET files /token",
            "POST sts /",
            "POST sts /",
            "POST secrets /"
        ]
    );
    let calls = aws.calls();
    let body = |at: usize| String::from_utf8(calls[at].body.clone()).unwrap();
    assert_eq!(
        body(1),
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fpod&RoleSessionName=modelgate&WebIdentityToken=eyJ.a.b"
    );
    assert_eq!(
        calls[1].header(":authority"),
        Some("sts.eu-central-1.amazonaws.com")
    );
    assert_eq!(
        calls[1].header("authorization"),
        None,
        "the token is the proof"
    );
    assert!(
        body(2).ends_with("&ExternalId=ext%201&Tags.member.1.Key=Team&Tags.member.1.Value=ml"),
        "{}",
        body(2)
    );
    let authorization = calls[2].header("authorization").unwrap();
    assert!(
        authorization.contains("Credential=ASIAPOD/20150830/eu-central-1/sts/aws4_request"),
        "{authorization}"
    );
    assert_eq!(calls[2].header("x-amz-security-token"), Some("t"));
    assert_eq!(body(3), r#"{"SecretId":"prod/models"}"#);
    let authorization = calls[3].header("authorization").unwrap();
    assert!(
        authorization.contains("Credential=ASIAROLE/20150830/eu-central-1/secretsmanager/"),
        "{authorization}"
    );
    // Without an end, it is read again every five minutes.
    aws.pass_ms(301_000);
    assert_eq!(aws.asked().len(), 8);
}

#[test]
fn nothing_of_it_is_in_shared_data_or_the_log() {
    let mut aws = FakeAws::open(container(), vec![("/v2", 200, key("ASIASECRET", HOUR))]);
    assert_eq!(aws.signs(), "ASIASECRET");
    aws.rule(
        "/v2",
        403,
        r#"{"code":"Denied","message":"ASIASECRET tok"}"#.to_owned(),
    );
    aws.pass_ms(3_600_000);
    assert_eq!(aws.gate.proxy().shared_keys(), Vec::<String>::new());
    let logs = aws.gate.proxy().logs().join("\n");
    assert!(
        logs.contains("container endpoint: status 403, Denied"),
        "{logs}"
    );
    assert!(
        !logs.contains("ASIASECRET") && !logs.contains("tok"),
        "{logs}"
    );
}

#[test]
fn another_configuration_of_the_vm_begins_with_what_there_is() {
    let mut aws = FakeAws::open(container(), vec![("/v2", 200, key("ASIA1", HOUR))]);
    assert_eq!(aws.signs(), "ASIA1");
    let mut config = container();
    config["service"] = json!("bedrock");
    let old = aws
        .gate
        .reconfigure(&written(config.clone()).to_string())
        .unwrap();
    assert_eq!(aws.signs(), "ASIA1");
    aws.gate.delete(old);
    assert_eq!(aws.signs(), "ASIA1");
    assert_eq!(aws.asked().len(), 1, "nothing was asked for again");
    config["credentials"]["container"]["authorization_token"] = json!("another");
    aws.gate.reconfigure(&written(config).to_string()).unwrap();
    aws.rule("/v2", 200, key("ASIA2", HOUR));
    assert_eq!(aws.signs(), "ASIA2", "another token is another source");
}

#[test]
fn a_fetch_that_was_given_up_stands_in_nobodys_way() {
    let mut aws = FakeAws::open(container(), Vec::new());
    let (_, action) = aws.gate.request(&POST);
    assert_eq!((action, aws.asked().len()), (Pause, 1));
    let again = written(container()).to_string();
    let old = aws.gate.reconfigure(&again).unwrap();
    aws.gate.tick();
    assert_eq!(aws.asked().len(), 1, "somebody is at it");
    aws.gate.delete(old);
    aws.answered = 1;
    aws.rule("/v2", 200, key("ASIA2", HOUR));
    assert_eq!(aws.signs(), "ASIA2");
}

#[test]
fn credentials_that_the_service_does_not_take_are_fetched_anew() {
    let mut aws = FakeAws::open(container(), vec![("/v2", 200, key("ASIA1", HOUR))]);
    assert_eq!(aws.signs(), "ASIA1");
    aws.pass_ms(2000);
    aws.rule("/v2", 200, key("ASIA2", HOUR));
    let (context, _) = aws.gate.request(&POST);
    let answer = [
        (":status", "403"),
        ("x-amzn-errortype", "ExpiredTokenException"),
    ];
    aws.gate.respond(context, &answer, true);
    aws.answer();
    assert_eq!(aws.signs(), "ASIA2");
    assert_eq!(aws.asked().len(), 2);
}

#[test]
fn a_wrong_clock_is_learnt_from_refusals() {
    let mut aws = FakeAws::open(
        json!({"credentials": {"access_key_id": "AKIA", "secret_access_key": "s"}}),
        Vec::new(),
    );
    let (context, _) = aws.gate.request(&POST);
    let before = aws.gate.record(context);
    assert_eq!(
        before.request_header("x-amz-date"),
        Some("20150830T123600Z")
    );
    let late = [
        (":status", "403"),
        ("x-amzn-errortype", "InvalidSignatureException"),
        ("date", "Sun, 30 Aug 2015 13:06:00 GMT"),
    ];
    aws.gate.respond(context, &late, true);
    let (context, _) = aws.gate.request(&POST);
    let after = aws.gate.record(context);
    assert_eq!(after.request_header("x-amz-date"), Some("20150830T130600Z"));
    assert_eq!(
        aws.gate
            .proxy()
            .metric("modelgate.aws_sigv4.clock_corrections"),
        1
    );
}
