//! A server that issues tokens for a registry (distribution, "Token Authentication
//! Specification"), signed with a key of its own.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value as Json, json};

use super::middleman::{Middleman, Request, Turn};

/// Who the registry is to it.
pub const SERVICE: &str = "mock-registry";
/// Who it is to the registry.
pub const ISSUER: &str = "mock-issuer";

/// An issuer; it ends with the test.
pub struct Issuer {
    server: Middleman,
    certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    /// One that gives tokens to who knows the password.
    pub fn start(user: &str, password: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![ISSUER.to_owned()]).unwrap();
        let certificate = params.self_signed(&pair).unwrap();
        let der = BASE64_STANDARD.encode(certificate.der());
        let key = pair.serialize_der();
        let basic = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&asked);
        let server = Middleman::before("", move |request: &Request| {
            list.lock().unwrap().push(request.path.clone());
            let known = request.header("authorization") == Some(&format!("Basic {basic}"));
            if request.header("authorization").is_some() && !known {
                let said = json!({ "errors": [ { "code": "UNAUTHORIZED", "message": "no" } ] });
                return Turn::Answer(401, String::new(), said.to_string().into_bytes());
            }
            let token = json!({ "token": token(&key, &der, known, &request.path) });
            Turn::Answer(200, String::new(), token.to_string().into_bytes())
        });
        Self {
            server,
            certificate: certificate.pem(),
            asked,
        }
    }

    /// What stands in the registry's configuration; the certificate lies in `file`.
    pub fn settings(&self, file: &str) -> String {
        let realm = format!("http://{}/token", self.server.address);
        format!(
            "auth: {{token: {{realm: \"{realm}\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {file}}}}}\n"
        )
    }

    /// In PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A token for what is asked for; for nothing where nobody is known.
fn token(key: &[u8], certificate: &str, known: bool, path: &str) -> String {
    let path = path.replace("%3A", ":").replace("%2C", ",");
    let scope = path
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("scope="));
    let mut access: Vec<Json> = Vec::new();
    if let Some([kind, name, actions]) = scope
        .map(|scope| scope.splitn(3, ':').collect::<Vec<_>>())
        .as_deref()
        && known
    {
        let actions: Vec<&str> = actions.split(',').collect();
        access.push(json!({ "type": kind, "name": name.replace("%2F", "/"), "actions": actions }));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [ certificate ] });
    let claims = json!({
        "iss": ISSUER, "sub": "mock", "aud": SERVICE, "jti": "1",
        "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
    });
    let part = |json: Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random).unwrap();
    let signature = pair.sign(&random, signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
