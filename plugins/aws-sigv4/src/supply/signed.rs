//! Calls to AWS that are signed with the credentials of another source.

use std::rc::Rc;

use modelgate_kit::call::Answer;

use super::call::{Caller, Endpoint, Headers};
use super::fault::{Fault, Step};
use crate::canonical::Request;
use crate::credentials::{Credentials, Scope};
use crate::sign::{Options, Payload, Signer};

/// An endpoint of AWS's, and what calls to it are signed for.
pub struct Service {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is signed for.
    pub scope: Scope,
}

impl Service {
    /// Posts a body, signed. None where it answers 404.
    ///
    /// # Errors
    /// Everything but 200 and 404.
    pub async fn post(
        &self,
        step: Step,
        caller: Caller<'_>,
        credentials: &Rc<Credentials>,
        mut headers: Headers,
        body: Vec<u8>,
    ) -> Result<Option<Answer>, Fault> {
        let url = &self.endpoint.url;
        let (path, query) = url.path.split_once('?').unwrap_or((&url.path, ""));
        let signer = Signer::new(
            Rc::clone(credentials),
            self.scope.clone(),
            Options::default(),
        );
        let signed = {
            let own = headers.iter();
            let own = own.map(|(name, value)| (name.as_bytes(), value.as_slice()));
            let host = (b"host".as_slice(), url.authority.as_bytes());
            let all: Vec<(&[u8], &[u8])> = own.chain([host]).collect();
            let request = Request {
                method: b"POST",
                path: path.as_bytes(),
                query: query.as_bytes(),
                headers: &all,
            };
            let date = caller.clock.stamp(caller.root.now_ns());
            signer.sign(&request, &Payload::of(&body), date)
        };
        let mut add = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
        add("x-amz-date", &signed.date.bytes());
        add("authorization", &signed.authorization);
        if let Some(token) = credentials.session_token() {
            add("x-amz-security-token", token.as_bytes());
        }
        let endpoint = &self.endpoint;
        let answer = caller
            .ask(step, endpoint, None, "POST", headers, body)
            .await?;
        if let Some(answer) = &answer {
            caller.clock.learn(caller.root.host(), &answer.headers);
        }
        Ok(answer)
    }
}
