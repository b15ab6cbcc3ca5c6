//! Roles, secrets, tokens and instance metadata of moto, which enforces IAM policies.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use modelgate_demo::loopback::Loopback;
use modelgate_demo::sagemaker::{Account, SageMaker};
use modelgate_tests::envoys::envoy;
use modelgate_tests::services::{Server, free_port, python_package};

use super::gateway::start;
use super::mock::MockAws;
use crate::invoke;

const MOTO: &str = "moto[s3,server]==5.2.5";

/// moto, and what is called in it with AWS's own SDK.
struct Moto {
    server: Server,
    /// What the script says.
    told: BTreeMap<String, String>,
}

/// Sets up an account: users, roles, secrets. The calls are let in unsigned; from then on
/// signatures and policies count.
const SETUP: &str = r#"
import boto3, json, sys
port = sys.argv[1]
def client(name):
    return boto3.client(name, region_name="eu-central-1", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="x", aws_secret_access_key="x")
iam, secrets = client("iam"), client("secretsmanager")
def policy(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})
def user(name, *actions):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*actions))
    return iam.create_access_key(UserName=name)["AccessKey"]
def role(name, *actions):
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(*actions))
    return arn
gateway = user("gateway", "sts:AssumeRole", "secretsmanager:GetSecretValue", "sts:TagSession")
stored = user("stored", "sagemaker:InvokeEndpoint")
told = {
    "id": gateway["AccessKeyId"], "secret": gateway["SecretAccessKey"],
    "models": role("models", "sagemaker:InvokeEndpoint"),
    "nothing": role("nothing", "s3:ListAllMyBuckets"),
    "chained": role("chained", "sts:AssumeRole"),
}
secrets.create_secret(Name="prod/models", SecretString=json.dumps({"access_key_id": stored["AccessKeyId"], "secret_access_key": stored["SecretAccessKey"]}))
print("\n".join(f"{key} {value}" for key, value in told.items()))
"#;
/// How many calls the script makes.
const SETUP_CALLS: u32 = 13;

impl Moto {
    /// One that lets everybody in.
    fn open(package: &Path) -> Server {
        Self::server(package, |_| {})
    }

    fn server(package: &Path, change: impl FnOnce(&mut Command)) -> Server {
        let port = free_port();
        let mut command = Command::new("python3");
        command
            .arg(package.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("PYTHONPATH", package)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        change(&mut command);
        Server::start(&mut command, port).unwrap()
    }

    fn start(package: &Path) -> Self {
        let server = Self::server(package, |command| {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", SETUP_CALLS.to_string());
        });
        let output = Command::new("python3")
            .args(["-c", SETUP, &server.port.to_string()])
            .env("PYTHONPATH", package)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let told = String::from_utf8(output.stdout).unwrap();
        let pairs = told.lines().filter_map(|line| line.split_once(' '));
        let told = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            told: told.collect(),
            server,
        }
    }

    fn told(&self, name: &str) -> &str {
        &self.told[name]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_takes_what_is_signed_by_its_roles_secrets_and_tokens() {
    let Some(envoy) = envoy(None) else { return };
    let Some(package) = python_package(MOTO) else {
        return;
    };
    let moto = Moto::start(&package);
    let port = moto.server.port;
    let clusters = [("upstream", port), ("sts", port), ("secrets", port)];
    let key = format!(
        "access_key_id: {}, secret_access_key: {}",
        moto.told("id"),
        moto.told("secret")
    );
    let role = |name: &str, more: &str| {
        format!(
            "{{ role_arn: \"{}\", cluster: sts{more} }}",
            moto.told(name)
        )
    };
    let tags =
        ", session_tags: [ { key: Team, from: { value: ml } } ], external_id: e-1, duration_s: 900";
    for (credentials, status) in [
        (format!("{{ {key} }}"), 403),
        (
            format!("{{ {key}, assume_role: {} }}", role("models", tags)),
            200,
        ),
        (
            format!("{{ {key}, assume_role: {} }}", role("nothing", "")),
            403,
        ),
        (
            format!(
                "{{ {key}, assume_role: [ {}, {} ] }}",
                role("chained", ""),
                role("models", "")
            ),
            200,
        ),
        (
            format!("{{ {key}, secrets_manager: {{ secret_id: prod/models, cluster: secrets }} }}"),
            200,
        ),
    ] {
        let chain = format!(
            "chain:\n- aws-sigv4:\n    region: eu-central-1\n    host: runtime.sagemaker.eu-central-1.amazonaws.com\n    credentials: {credentials}\n"
        );
        let gateway = start(&envoy, &chain, &clusters, |_| {}).await;
        let answer = gateway.send(&invoke("1,2,3")).await;
        assert_eq!(answer.status, status, "{credentials}: {}", answer.text());
    }
}

/// Where moto enforces policies it takes no call without a signature, and the token is the proof of
/// this one: so here it lets everybody in.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_becomes_a_role_of_motos() {
    let Some(envoy) = envoy(None) else { return };
    let Some(package) = python_package(MOTO) else {
        return;
    };
    let moto = Moto::open(&package);
    let chain = "chain:\n- aws-sigv4:\n    region: eu-central-1\n    host: runtime.sagemaker.eu-central-1.amazonaws.com\n    credentials: { web_identity: { role_arn: \"arn:aws:iam::123456789012:role/models\", cluster: sts, token: eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln } }\n";
    let clusters = [("upstream", moto.port), ("sts", moto.port)];
    let gateway = start(&envoy, chain, &clusters, |_| {}).await;
    let answer = gateway.send(&invoke("1,2,3")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The other side of the same protocols: moto's instance metadata gives a key that our verifier
/// takes, and botocore reads our mock's endpoint as the gateway does.
#[tokio::test(flavor = "multi_thread")]
async fn instance_metadata_and_containers_are_read_as_the_sdk_reads_them() {
    let Some(envoy) = envoy(None) else { return };
    let Some(package) = python_package(MOTO) else {
        return;
    };
    let moto = Moto::open(&package);
    let chain = "chain:\n- aws-sigv4:\n    region: eu-central-1\n    credentials: { instance_metadata: { cluster: imds } }\n";
    let sagemaker = Arc::new(SageMaker::new(Account {
        access_key_id: "test-key".to_owned(),
        secret_access_key: "test-secret-key".to_owned(),
        session_token: Some("test-session-token".to_owned()),
        region: "eu-central-1".to_owned(),
        service: "sagemaker".to_owned(),
    }));
    let backend = Loopback::start(Arc::clone(&sagemaker), 0).unwrap();
    let clusters = [("upstream", backend.port()), ("imds", moto.port)];
    let gateway = start(&envoy, chain, &clusters, |_| {}).await;
    let answer = gateway.send(&invoke("1,2,3")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let aws = MockAws::new(Duration::from_secs(3600));
    let server = Loopback::start(Arc::clone(&aws), 0).unwrap();
    let read = "from botocore.utils import ContainerMetadataFetcher as F; import sys; print(F().retrieve_full_uri(sys.argv[1], headers={'Authorization': 'tok'})['AccessKeyId'])";
    let url = format!("http://127.0.0.1:{}/credentials", server.port());
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("python3");
        command.args(["-c", read, &url]).env("PYTHONPATH", &package);
        command.output().unwrap()
    });
    let output = output.await.unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    assert!(
        id.starts_with("ASIA"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
