//! Credentials of a container: the endpoint of an ECS task, of an EKS pod (Pod Identity agent), or
//! any other that speaks as they do.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use modelgate_kit::refresh::Mark;

use super::call::{Caller, Endpoint};
use super::fault::Fault;
use super::read::{self, Temporary};
use super::token::Token;

/// What it is called in faults.
const STEP: &str = "container endpoint";

/// The endpoint.
pub struct Container {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it asks for in `authorization`.
    pub authorization: Option<Token>,
}

impl Container {
    /// Its credentials; none where it answers 404.
    ///
    /// # Errors
    /// Why they could not be had.
    pub async fn fetch(&self, caller: Caller<'_>) -> Result<Option<Temporary>, Fault> {
        let mut headers = vec![("accept".to_owned(), b"application/json".to_vec())];
        if let Some(authorization) = &self.authorization {
            let Some(token) = authorization.get(caller).await? else {
                return Ok(None);
            };
            headers.push(("authorization".to_owned(), token.to_vec()));
        }
        let asked = caller.ask(STEP, &self.endpoint, None, "GET", headers, Vec::new());
        let answer = asked.await?;
        answer
            .map(|answer| read::json(STEP, &answer.body))
            .transpose()
    }

    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        let mark = self.endpoint.mark(mark.with("container"));
        match &self.authorization {
            Some(token) => token.mark(mark),
            None => mark,
        }
    }
}
