//! Tokens of a real OpenID Connect provider (oidc-provider-mock): its metadata, its keys and an id
//! token of its code flow, read by us.
//!
//! Its tokens name no key although its keys have names: the case in which a verifier has to try
//! what fits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::jose::{
    Algorithms, Expectations, KeySet, Refusal, Secrets, Token, parse_strict,
};
use modelgate_tests::services::{Server, free_port, python_package};
use serde_json::Value;

const PROVIDER: &str = "oidc-provider-mock==0.3.4";
const CLIENT: &str = "models";
const RETURN_TO: &str = "http://127.0.0.1/back";

/// One HTTP exchange with the provider: head and body of the answer.
fn ask(port: u16, method: &str, path: &str, form: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The id token that the code flow ends with.
fn id_token(port: u16) -> String {
    let authorize = format!(
        "/oauth2/authorize?client_id={CLIENT}&redirect_uri={RETURN_TO}&response_type=code&scope=openid"
    );
    let (head, _) = ask(port, "POST", &authorize, "sub=alice");
    let code = head
        .lines()
        .find_map(|line| line.split_once("code="))
        .map(|(_, code)| code.split('&').next().unwrap().trim().to_owned())
        .unwrap_or_else(|| panic!("no code in {head}"));
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={RETURN_TO}&client_id={CLIENT}&client_secret=s"
    );
    let (_, body) = ask(port, "POST", "/oauth2/token", &form);
    let body: Value = serde_json::from_str(&body).unwrap();
    body["id_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_real_providers_tokens_are_accepted_by_its_discovered_keys_and_nothing_else_is() {
    let Some(package) = python_package(PROVIDER) else {
        return;
    };
    let port = free_port();
    let mut command = Command::new("python3");
    command
        .args([
            "-W",
            "ignore",
            "-m",
            "oidc_provider_mock",
            "-H",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ])
        .args(["--user-claims", r#"{"sub":"alice","groups":["ml"]}"#])
        .env("PYTHONPATH", &package)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let provider = Server::start(&mut command, port).unwrap();

    let issuer = format!("http://127.0.0.1:{}", provider.port);
    let (_, metadata) = ask(port, "GET", "/.well-known/openid-configuration", "");
    let metadata = parse_strict(metadata.as_bytes()).unwrap();
    assert_eq!(metadata["issuer"], issuer.as_str());
    let jwks_path = metadata["jwks_uri"]
        .as_str()
        .unwrap()
        .strip_prefix(&issuer)
        .unwrap();
    let (_, jwks) = ask(port, "GET", jwks_path, "");
    let keys = KeySet::parse(jwks.as_bytes(), Secrets::Refused).unwrap();
    assert_eq!(keys.skipped(), 0);
    assert!(keys.iter().all(|key| key.kid().is_some()));

    let token = id_token(port);
    let expectations = Expectations {
        audiences: vec![CLIENT.to_owned()],
        ..Expectations::of(issuer)
    };
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let judge = |token: &str| {
        let parsed = Token::parse(token.as_bytes(), 8192)?;
        assert_eq!(parsed.header().kid, None);
        let verified = parsed.verify(&keys, Algorithms::ASYMMETRIC, None)?;
        expectations.check(&verified, now_s)
    };
    let claims = judge(&token).unwrap();
    assert_eq!(claims.subject(), Some("alice"));
    assert_eq!(claims.members()["groups"], serde_json::json!(["ml"]));

    let parts: Vec<&str> = token.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let forged = URL_SAFE_NO_PAD.encode(payload.replace("alice", "admin"));
    let forged = format!("{}.{forged}.{}", parts[0], parts[2]);
    assert_eq!(judge(&forged).err(), Some(Refusal::SignatureRefused));
    println!("{PROVIDER}: token without kid accepted, forgery refused");
}
