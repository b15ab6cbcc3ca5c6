//! One call to an endpoint that gives credentials, and the mark that tells sources apart.

use modelgate_kit::call::{Answer, Call};
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::root::Root;
use sha2::{Digest, Sha256};

use super::fault::{Fault, Step};
use super::read::error_code;
use crate::clock::Clock;

/// Longest answer that is taken, in bytes: session tokens have up to 16 KiB.
const MAX_ANSWER_BYTES: usize = 65_536;

/// An endpoint: where it is, and the cluster that leads there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its URL.
    pub url: HttpUrl,
    /// The cluster.
    pub cluster: String,
}

/// What calls are made with.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The background task that makes them.
    pub root: &'a Root,
    /// What learns of the service's time.
    pub clock: &'a Clock,
    /// Time-out of each, in milliseconds.
    pub timeout_ms: u32,
}

/// Headers of a call, names in lower case.
pub type Headers = Vec<(String, Vec<u8>)>;

impl Caller<'_> {
    /// Asks an endpoint; `path` takes the place of its URL's, where it is given. None where it
    /// answers 404.
    ///
    /// # Errors
    /// Everything but 200 and 404.
    pub async fn ask(
        self,
        step: Step,
        endpoint: &Endpoint,
        path: Option<&str>,
        method: &'static str,
        headers: Headers,
        body: Vec<u8>,
    ) -> Result<Option<Answer>, Fault> {
        let Endpoint { url, cluster } = endpoint;
        let call = Call {
            upstream: cluster.clone(),
            method,
            scheme: url.scheme,
            authority: url.authority.clone(),
            path: path.unwrap_or(&url.path).to_owned(),
            headers,
            body,
            timeout_ms: self.timeout_ms,
            max_answer_bytes: MAX_ANSWER_BYTES,
            body_optional: false,
        };
        let answer = self.root.call(&call).await;
        let answer = answer.map_err(|_| Fault::NoAnswer(step))?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            status => Err(match error_code(&answer.body) {
                Some(code) => Fault::Refused(step, status, code),
                None => Fault::Status(step, status),
            }),
        }
    }
}

/// Tells sources apart that are not the same: a digest of all that decides what they give.
pub struct Mark(Sha256);

impl Mark {
    /// An empty one.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Adds an endpoint.
    #[must_use]
    pub fn with_endpoint(self, endpoint: &Endpoint) -> Self {
        self.with(endpoint.url.to_string()).with(&endpoint.cluster)
    }

    /// The digest, in hexadecimal.
    pub fn text(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
