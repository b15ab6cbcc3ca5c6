//! One call to an endpoint that gives credentials.

use modelgate_kit::call::{Answer, Call};
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::refresh::Mark;
use modelgate_kit::root::Root;

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

impl Endpoint {
    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        mark.with(self.url.to_string()).with(&self.cluster)
    }
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
