//! `jwt`, `key-auth`, `basic-auth` and `acl` with the credentials of consumers.

use serde_json::{Map, Value as Json, json};

use super::super::Options;
use super::super::digest;
use super::super::ledger::{At, Try};
use super::entities::{self, Consumer, Entities};

/// What the credentials of all consumers become.
#[derive(Default)]
pub struct Credentials {
    /// Issuers of jwt-auth.
    pub issuers: Vec<Json>,
    /// Keys of key-auth.
    pub keys: Vec<Json>,
    /// The longest key, in bytes.
    longest: usize,
    /// Whether there are passwords.
    pub passwords: bool,
}

/// Which plugins look at credentials at all.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// `jwt`.
    pub jwt: bool,
    /// `key-auth`.
    pub key: bool,
    /// `basic-auth`.
    pub basic: bool,
}

/// Whether a text is a reference to something that is not in the file.
pub fn is_reference(text: &str) -> bool {
    text.contains("{vault:") || text.starts_with('$') || text.contains("${")
}

impl Credentials {
    /// Reads those of all consumers.
    pub fn read(all: &Entities<'_>, used: Used, options: &Options) -> Self {
        let mut read = Self::default();
        for consumer in &all.consumers {
            consumer
                .at
                .taken(&format!("consumer {}", consumer.name), "the caller's name");
            if let Some(id) = consumer.at.get("custom_id") {
                id.taken("custom_id", "a label of the consumer's keys");
                id.text();
            }
            for (kind, at) in &consumer.credentials {
                entities::labels(at);
                at.get("consumer").inspect(At::swallow);
                read.credential(kind, at, consumer, used, options);
            }
        }
        read
    }

    fn credential(
        &mut self,
        kind: &str,
        at: &At<'_>,
        consumer: &Consumer<'_>,
        used: Used,
        options: &Options,
    ) {
        let subject = format!("{kind} of {}", consumer.name);
        let wanted = match kind {
            "keyauth_credentials" => used.key,
            "jwt_secrets" => used.jwt,
            "basicauth_credentials" => used.basic,
            _ => {
                at.swallow();
                at.missing(
                    &subject,
                    "no filter takes such credentials: they are refused",
                    false,
                );
                return;
            }
        };
        if !wanted {
            at.swallow();
            at.missing(
                &subject,
                "no plugin of this file looks at it: it is left out",
                false,
            );
            return;
        }
        if !digest::is_name(&consumer.name) || consumer.name.contains('*') {
            at.swallow();
            at.missing(
                &subject,
                "a caller's name is visible ASCII without commas, spaces and stars: the credential is left out, and refused",
                false,
            );
            return;
        }
        let read = match kind {
            "keyauth_credentials" => self.key(at, consumer),
            "jwt_secrets" => self.secret(at, consumer, options),
            _ => {
                at.swallow();
                if !self.passwords {
                    let holds = "a line `USER:{SHA}DIGEST` for each consumer with a password";
                    at.ledger().variable("BASIC_AUTH_USERS", holds, at);
                }
                self.passwords = true;
                at.changed(
                    &subject,
                    "put the line `htpasswd -nbs USER PASSWORD` prints into the variable BASIC_AUTH_USERS; neither name nor password is in the new file",
                );
                Ok(())
            }
        };
        if let Err(found) = read {
            at.swallow();
            at.missing(
                &subject,
                format!("{}: it is left out, and refused", found.reason),
                false,
            );
        }
    }

    fn key(&mut self, at: &At<'_>, consumer: &Consumer<'_>) -> Try<()> {
        let key = at.text_of("key").unwrap_or_default();
        if key.is_empty() || is_reference(&key) {
            return Err(
                at.obstacle("its key is not in the file, so that no digest can be made of it")
            );
        }
        if key.len() > 4096 {
            return Err(at.obstacle("its key is longer than 4,096 bytes"));
        }
        if at.get("ttl").is_some() {
            return Err(at.obstacle("it expires so long after it was made, which is not in the file: write `expires_at`"));
        }
        let count = self.keys.len().saturating_add(1);
        let id = format!("{}.{count}", consumer.name);
        let mut entry = digest::key(&id, &key, &consumer.name, &consumer.groups);
        let mut labels = Map::new();
        for (from, to) in [("custom_id", "custom_id"), ("id", "consumer_id")] {
            if let Some(value) = consumer.at.text_of(from) {
                labels.insert(to.into(), value.into());
            }
        }
        if !labels.is_empty() {
            crate::gateway::put(&mut entry, "labels", labels);
        }
        at.taken(
            &format!("key of {}", consumer.name),
            format!("a key of key-auth, {id}, as its SHA-256 digest; the key itself is not in the new file"),
        );
        self.longest = self.longest.max(key.len());
        self.keys.push(entry);
        Ok(())
    }

    fn secret(&mut self, at: &At<'_>, consumer: &Consumer<'_>, options: &Options) -> Try<()> {
        let issuer = at.text_of("key").unwrap_or_default();
        if issuer.is_empty() || is_reference(&issuer) || issuer.contains(['{', '}']) {
            return Err(at.obstacle("its `key`, the issuer of tokens, is not in the file"));
        }
        if self
            .issuers
            .iter()
            .any(|one| one.get("issuer").and_then(Json::as_str) == Some(&issuer))
        {
            at.wrong::<()>(
                "another credential has the same `key`: it would not be known whose a token is",
            );
            return Ok(());
        }
        let algorithm = at
            .text_of("algorithm")
            .unwrap_or_else(|| "HS256".to_owned());
        const KNOWN: [&str; 13] = [
            "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512",
            "PS256", "PS384", "PS512", "EdDSA",
        ];
        if !KNOWN.contains(&algorithm.as_str()) {
            return Err(at.obstacle("its algorithm is none that jwt-auth verifies"));
        }
        let subject = format!("jwt_secret of {}", consumer.name);
        let keys = if algorithm.starts_with("HS") {
            let secret = at.get("secret");
            let secret = secret.ok_or_else(|| {
                at.obstacle("it has no secret: Kong makes one up, which is not in the file")
            })?;
            let least = match algorithm.as_str() {
                "HS256" => 32,
                "HS384" => 48,
                _ => 64,
            };
            let text = secret.text().unwrap_or_default();
            if !is_reference(&text) && text.len() < least {
                return Err(secret.obstacle(format!(
                    "its secret is shorter than the {least} bytes that {algorithm} needs (RFC 7518, section 3.2)"
                )));
            }
            let holds = format!("the jwt_secret of consumer {}", consumer.name);
            let wanted = format!("JWT_SECRET_{}", consumer.name);
            let name = at.ledger().variable(&wanted, &holds, &secret);
            secret.changed(
                &subject,
                format!("it is read from the variable {name}; it is not in the new file"),
            );
            json!({ "secret": { "value": { "env": name }, "algorithm": algorithm } })
        } else {
            let pem = at.text_of("rsa_public_key").unwrap_or_default();
            if !pem.contains("-----BEGIN PUBLIC KEY-----") {
                return Err(
                    at.obstacle("its public key is not in the file as a PEM block `PUBLIC KEY`")
                );
            }
            json!({ "pem": [ { "pem": pem, "algorithm": algorithm } ] })
        };
        // Of another algorithm's key nothing is used.
        for unused in ["secret", "rsa_public_key"] {
            at.get(unused).inspect(At::swallow);
        }
        at.taken(
            &subject,
            "an issuer of jwt-auth, whose tokens are this consumer's",
        );
        self.issuers.push(json!({
            "issuer": issuer,
            "keys": keys,
            "algorithms": [algorithm],
            "audiences": options.audiences,
            "required_claims": ["iss"],
            "clock_skew_s": 0,
            "consumer_claim": [],
            "consumer": consumer.name,
            "groups_claim": [],
            "groups": consumer.groups,
        }));
        Ok(())
    }
}

/// The headers that Kong tells servers the caller in; `groups` where an ACL does.
fn headers(groups: bool, labels: bool) -> Json {
    let mut headers = json!({
        "consumer": "x-consumer-username",
        "credential": "x-credential-identifier",
    });
    if groups {
        crate::gateway::put(&mut headers, "groups", "x-consumer-groups");
    }
    if labels {
        let claims = json!([
            { "claim": "custom_id", "header": "x-consumer-custom-id" },
            { "claim": "consumer_id", "header": "x-consumer-id" },
        ]);
        crate::gateway::put(&mut headers, "claims", claims);
    }
    headers
}

/// A plugin's plan, and whom a request without a credential is taken for.
pub struct Plan {
    /// The plan, as if a credential had to be there.
    pub plan: Map<String, Json>,
    /// The consumer that strangers are taken for.
    pub anonymous: Option<String>,
}

/// The `jwt` plugin.
pub fn jwt(config: Option<&At<'_>>, credentials: &Credentials, groups: bool) -> Try<Plan> {
    let mut plan = Map::new();
    let mut issuers = credentials.issuers.clone();
    let mut places = vec![json!({ "header": "authorization", "scheme": "Bearer" })];
    let mut anonymous = None;
    let mut queries = vec!["jwt".to_owned()];
    if let Some(config) = config {
        if let Some(claim) = config.get("key_claim_name")
            && claim.text().as_deref() != Some("iss")
        {
            return Err(claim.obstacle("an issuer is found by `iss` only"));
        }
        let mut required = vec!["iss".to_owned()];
        required.extend(config.texts("claims_to_verify"));
        for issuer in &mut issuers {
            crate::gateway::put(issuer, "required_claims", json!(required));
        }
        if let Some(most) = config
            .number_of("maximum_expiration")
            .filter(|most| *most > 0)
        {
            for issuer in &mut issuers {
                crate::gateway::put(issuer, "max_lifetime_s", most.min(31_536_000));
            }
            config.changed_note(
                "jwt",
                "`maximum_expiration` counts from `iat`, and a token without one is refused",
            );
        }
        if config.flag_of("secret_is_base64") == Some(true) {
            for issuer in &mut issuers {
                if let Some(secret) = issuer.pointer_mut("/keys/secret") {
                    crate::gateway::put(secret, "encoding", "base64url");
                }
            }
            config.changed_note(
                "jwt",
                "write the secrets into their variables in base64url without padding",
            );
        }
        if config.get("header_names").is_some() {
            let names = config.texts("header_names");
            places = names
                .iter()
                .map(|name| json!({ "header": name.to_ascii_lowercase(), "scheme": "Bearer" }))
                .collect();
        }
        if config.get("uri_param_names").is_some() {
            queries = config.texts("uri_param_names");
        }
        places.extend(
            config
                .texts("cookie_names")
                .iter()
                .map(|name| json!({ "cookie": name })),
        );
        anonymous = config.text_of("anonymous").filter(|name| !name.is_empty());
        realm(config, &mut plan);
        preflight(config);
    }
    places.extend(queries.iter().map(|name| json!({ "query": name })));
    if places.is_empty() || issuers.is_empty() {
        let reason = "no consumer has a jwt_secret that could be taken over, so that nobody passes";
        return Err(super::super::ledger::Obstacle {
            place: config.map(|at| at.node.place).unwrap_or_default(),
            reason: reason.to_owned(),
        });
    }
    plan.insert("issuers".into(), issuers.into());
    plan.insert("credential_from".into(), places.into());
    plan.insert("credential_to_upstream".into(), "keep".into());
    plan.insert("identity_headers".into(), headers(groups, false));
    Ok(Plan { plan, anonymous })
}

pub fn realm(config: &At<'_>, plan: &mut Map<String, Json>) {
    if let Some(realm) = config.text_of("realm") {
        plan.insert("realm".into(), realm.into());
    }
}

pub fn preflight(config: &At<'_>) {
    if config.flag_of("run_on_preflight") == Some(false) {
        config.changed_note(
            "run_on_preflight",
            "a preflight request needs a credential, unless the cors filter in front answers it",
        );
    }
}

/// The `key-auth` plugin.
pub fn key(config: Option<&At<'_>>, credentials: &Credentials, groups: bool) -> Try<Plan> {
    let mut plan = Map::new();
    let mut names = vec!["apikey".to_owned()];
    let (mut in_header, mut in_query, mut hides) = (true, true, false);
    let mut anonymous = None;
    if let Some(config) = config {
        if config.get("key_names").is_some() {
            names = config.texts("key_names");
        }
        in_header = config.flag_of("key_in_header") != Some(false);
        in_query = config.flag_of("key_in_query") != Some(false);
        if let Some(body) = config.get("key_in_body")
            && body.flag() == Some(true)
        {
            body.changed(
                "key_in_body",
                "keys in bodies are not looked at: such requests are refused",
            );
        }
        hides = config.flag_of("hide_credentials") == Some(true);
        anonymous = config.text_of("anonymous").filter(|name| !name.is_empty());
        realm(config, &mut plan);
        preflight(config);
    }
    let mut places = Vec::new();
    for name in &names {
        if in_header {
            places.push(json!({ "header": name.to_ascii_lowercase() }));
        }
        if in_query {
            places.push(json!({ "query": name }));
        }
    }
    if places.is_empty() {
        return Err(super::super::ledger::Obstacle {
            place: config.map(|at| at.node.place).unwrap_or_default(),
            reason: "keys are looked for in bodies only".to_owned(),
        });
    }
    plan.insert("keys".into(), credentials.keys.clone().into());
    plan.insert("credential_from".into(), places.into());
    let sees = if hides { "strip" } else { "keep" };
    plan.insert("credential_to_upstream".into(), sees.into());
    plan.insert("identity_headers".into(), headers(groups, true));
    if credentials.longest > 256 {
        plan.insert("max_key_bytes".into(), credentials.longest.into());
    }
    Ok(Plan { plan, anonymous })
}

/// The `acl` plugin; `stranger` has the groups of the consumer that strangers are taken for.
pub fn acl(config: &At<'_>, stranger: Option<&[String]>) -> Try<Map<String, Json>> {
    for other in ["always_use_authenticated_groups", "include_consumer_groups"] {
        if let Some(found) = config.get(other)
            && found.flag() == Some(true)
        {
            return Err(found.obstacle(format!("{other}: groups are those of the consumer's ACL")));
        }
    }
    config.get("hide_groups_header").map(|at| at.flag());
    let listed = |names: [&str; 2]| {
        let lists = names.iter().filter(|name| config.get(name).is_some());
        let groups: Vec<String> = lists.flat_map(|name| config.texts(name)).collect();
        (!groups.is_empty()).then_some(groups)
    };
    let strangers =
        |id: &str| json!({ "id": id, "effect": "allow", "who": { "identity": "absent" } });
    let any = |groups: &[String]| json!({ "groups": { "any_of": groups } });
    let mut rules = Vec::new();
    match (
        listed(["allow", "whitelist"]),
        listed(["deny", "blacklist"]),
    ) {
        (Some(allow), None) => {
            rules.push(json!({ "id": "acl-allow", "effect": "allow", "who": any(&allow) }));
            if stranger.is_some_and(|groups| groups.iter().any(|group| allow.contains(group))) {
                rules.push(strangers("acl-anonymous"));
            }
        }
        (None, Some(deny)) => {
            rules.push(json!({ "id": "acl-deny", "effect": "deny", "who": any(&deny) }));
            rules.push(json!({ "id": "acl-others", "effect": "allow" }));
            if stranger.is_some_and(|groups| !groups.iter().any(|group| deny.contains(group))) {
                rules.push(strangers("acl-anonymous"));
            }
        }
        _ => return Err(config.obstacle("it has neither `allow` nor `deny`, or both")),
    }
    Ok(Map::from_iter([
        ("rules".to_owned(), rules.into()),
        ("model_from_body".to_owned(), json!({ "mode": "ignore" })),
    ]))
}
