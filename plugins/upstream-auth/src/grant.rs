//! How a token is asked for: one call of a token endpoint or a metadata service, or two where a
//! federated token is fetched first.

use std::rc::Rc;

use modelgate_kit::call::{Answer, Call};
use modelgate_kit::config::SecretBytes;
use modelgate_kit::host::Host;
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::refresh::{Mark, Source};
use modelgate_kit::root::Root;
use zeroize::Zeroize as _;

use crate::fault::TokenFault;
use crate::form::Form;
use crate::jwt::Signer;
use crate::token::{Token, Wanted, is_sendable};

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A server that is called.
#[derive(Clone)]
pub struct Server {
    /// Where.
    pub location: HttpUrl,
    /// Cluster that is called.
    pub cluster: String,
}

/// What bounds a call.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Its time-out, in milliseconds.
    pub timeout_ms: u32,
    /// Longest answer, in bytes.
    pub max_bytes: usize,
    /// How long a token is good that does not say it, in seconds.
    pub assumed_s: u64,
}

/// How the gateway proves who it is to a token endpoint.
pub enum Proof {
    /// It does not: it only names itself.
    Public {
        /// Its client id.
        id: String,
    },
    /// `authorization: Basic …`.
    Basic {
        /// The whole value of the header.
        header: SecretBytes,
    },
    /// Its secret in the body.
    Post {
        /// Its client id.
        id: String,
        /// Its secret.
        secret: SecretBytes,
    },
    /// A JWT that proves it.
    Assertion {
        /// Its client id.
        id: String,
        /// Where the JWT comes from.
        assertion: Assertion,
    },
    /// A signed JWT is the grant itself (RFC 7523 section 2.1).
    Grant(Rc<Signer>),
}

/// Where a JWT comes from that proves who calls.
pub enum Assertion {
    /// It is signed here.
    Signed(Rc<Signer>),
    /// The configuration has it.
    Given(SecretBytes),
    /// It is fetched.
    From(Server),
}

/// A request to a token endpoint.
pub struct Grant {
    /// Where it goes.
    pub endpoint: Server,
    /// Parameters that hold no secret.
    pub form: Vec<(String, String)>,
    /// Who asks.
    pub proof: Proof,
    /// What the answer has to hold.
    pub wanted: Wanted,
    /// What bounds it.
    pub limits: Limits,
}

/// A request to a metadata service.
pub struct Metadata {
    /// Where it goes.
    pub endpoint: Server,
    /// Headers that it wants.
    pub headers: Vec<(&'static str, SecretBytes)>,
    /// What the answer has to hold.
    pub wanted: Wanted,
    /// What bounds it.
    pub limits: Limits,
}

/// Where the gateway's own token comes from.
pub enum Origin {
    /// A token endpoint.
    Grant(Grant),
    /// A metadata service.
    Metadata(Metadata),
}

impl Origin {
    /// The servers that are called.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        let (grant, metadata) = match self {
            Self::Grant(grant) => (Some(grant), None),
            Self::Metadata(metadata) => (None, Some(&metadata.endpoint)),
        };
        let of_grant = grant.into_iter().flat_map(Grant::servers);
        of_grant.chain(metadata)
    }

    /// A name that another origin does not have: it decides what is fetched, and holds secrets as a
    /// digest.
    pub fn name(&self, filter: &str) -> String {
        let mark = match self {
            Self::Grant(grant) => grant.mark(Mark::default()),
            Self::Metadata(metadata) => {
                let mark = metadata.endpoint.mark(Mark::default());
                let headers = metadata.headers.iter();
                headers.fold(mark, |mark, (name, value)| {
                    mark.with(name).with(value.expose())
                })
            }
        };
        let digest = mark.text();
        format!("modelgate.{filter}.token.{digest}")
    }
}

impl Server {
    fn mark(&self, mark: Mark) -> Mark {
        mark.with(self.location.to_string()).with(&self.cluster)
    }
}

impl Grant {
    fn mark(&self, mark: Mark) -> Mark {
        let mark = self.endpoint.mark(mark);
        let mark = self
            .form
            .iter()
            .fold(mark, |mark, (name, value)| mark.with(name).with(value));
        match &self.proof {
            Proof::Public { id } => mark.with("public").with(id),
            Proof::Basic { header } => mark.with("basic").with(header.expose()),
            Proof::Post { id, secret } => mark.with("post").with(id).with(secret.expose()),
            Proof::Grant(signer) => mark.with("grant").with(signer.print()),
            Proof::Assertion { id, assertion } => {
                let mark = mark.with("assertion").with(id);
                match assertion {
                    Assertion::Signed(signer) => mark.with("signed").with(signer.print()),
                    Assertion::Given(token) => mark.with("given").with(token.expose()),
                    Assertion::From(server) => server.mark(mark.with("from")),
                }
            }
        }
    }

    /// The servers that are called.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        let assertion = match &self.proof {
            Proof::Assertion {
                assertion: Assertion::From(server),
                ..
            } => Some(server),
            _ => None,
        };
        assertion.into_iter().chain([&self.endpoint])
    }

    /// Asks for a token, with these parameters more.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(&self, root: &Root, more: &[(&str, &str)]) -> Result<Token, TokenFault> {
        let asked_ms = now_ms(root.host());
        let mut form = Form::default();
        for (name, value) in &self.form {
            form.add(name, value);
        }
        for (name, value) in more {
            form.add(name, value);
        }
        let mut headers = vec![(
            "content-type".to_owned(),
            b"application/x-www-form-urlencoded".to_vec(),
        )];
        match &self.proof {
            Proof::Public { id } => form.add("client_id", id),
            Proof::Basic { header } => {
                headers.push(("authorization".to_owned(), header.expose().to_vec()));
            }
            Proof::Post { id, secret } => {
                form.add("client_id", id);
                form.add("client_secret", secret.expose_text().unwrap_or_default());
            }
            Proof::Assertion { id, assertion } => {
                form.add("client_id", id);
                form.add("client_assertion_type", ASSERTION_TYPE);
                match assertion {
                    Assertion::Signed(signer) => {
                        form.add("client_assertion", &signer.sign(root.host())?);
                    }
                    Assertion::Given(token) => {
                        form.add("client_assertion", token.expose_text().unwrap_or_default());
                    }
                    Assertion::From(server) => {
                        let token = fetch_assertion(root, server, self.limits).await?;
                        form.add("client_assertion", token.expose_text().unwrap_or_default());
                    }
                }
            }
            Proof::Grant(signer) => form.add("assertion", &signer.sign(root.host())?),
        }
        let body = form.text().as_bytes().to_vec();
        let request = call(&self.endpoint, "POST", headers, body, self.limits);
        let answer = answer(root, request).await?;
        self.wanted.read(answer, asked_ms, self.limits.assumed_s)
    }
}

impl Source for Origin {
    type Payload = Token;
    type Fault = TokenFault;
    const WHAT: &'static str = "tokens";

    async fn fetch(&self, root: &Root, _: Option<Rc<Token>>) -> Result<Token, TokenFault> {
        match self {
            Self::Grant(grant) => grant.ask(root, &[]).await,
            Self::Metadata(Metadata {
                endpoint,
                headers,
                wanted,
                limits,
            }) => {
                let asked_ms = now_ms(root.host());
                let headers = headers.iter();
                let headers = headers
                    .map(|(name, value)| ((*name).to_owned(), value.expose().to_vec()))
                    .collect();
                let request = call(endpoint, "GET", headers, Vec::new(), *limits);
                wanted.read(answer(root, request).await?, asked_ms, limits.assumed_s)
            }
        }
    }

    fn longest_ms(&self) -> u64 {
        let (calls, limits) = match self {
            Self::Grant(grant) => match grant.proof {
                Proof::Assertion {
                    assertion: Assertion::From(_),
                    ..
                } => (2, grant.limits),
                _ => (1, grant.limits),
            },
            Self::Metadata(metadata) => (1, metadata.limits),
        };
        // A second more for the host to report the time-out.
        u64::from(limits.timeout_ms)
            .saturating_add(1000)
            .saturating_mul(calls)
    }

    fn expires_ms(&self, token: &Token) -> Option<u64> {
        Some(token.expires_ms)
    }
}

/// The body of an answer is the token, but for white space around it.
async fn fetch_assertion(
    root: &Root,
    server: &Server,
    limits: Limits,
) -> Result<SecretBytes, TokenFault> {
    let request = call(server, "GET", Vec::new(), Vec::new(), limits);
    let mut answer = answer(root, request).await?;
    let token = answer.body.trim_ascii();
    let found = (answer.status == 200 && is_sendable(token))
        .then(|| SecretBytes::new(token.to_vec()))
        .ok_or(TokenFault::Assertion(answer.status));
    answer.body.zeroize();
    found
}

fn call(
    server: &Server,
    method: &'static str,
    mut headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    limits: Limits,
) -> Call {
    headers.push(("accept".to_owned(), b"application/json".to_vec()));
    Call {
        upstream: server.cluster.clone(),
        method,
        scheme: server.location.scheme,
        authority: server.location.authority.clone(),
        path: server.location.path.clone(),
        headers,
        body,
        timeout_ms: limits.timeout_ms,
        max_answer_bytes: limits.max_bytes,
        // Of an error the status is enough.
        body_optional: true,
    }
}

/// Makes a call; what it held is wiped.
async fn answer(root: &Root, mut call: Call) -> Result<Answer, TokenFault> {
    let answered = root.call(&call).await.map_err(|_| TokenFault::NoAnswer);
    call.body.zeroize();
    for (_, value) in &mut call.headers {
        value.zeroize();
    }
    answered
}

fn now_ms(host: &dyn Host) -> u64 {
    host.now_ns() / 1_000_000
}
