//! An access key that lies in Secrets Manager, as a JSON document.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::rc::Rc;

use modelgate_kit::refresh::Mark;

use super::call::Caller;
use super::fault::Fault;
use super::read::{self, Temporary};
use super::signed::Service;
use crate::credentials::Credentials;

/// What it is called in faults.
const STEP: &str = "GetSecretValue";

/// A secret.
pub struct Secret {
    /// Where Secrets Manager is, and for which region calls are signed.
    pub service: Service,
    /// Its name or ARN.
    pub id: String,
}

impl Secret {
    /// The access key in it.
    ///
    /// # Errors
    /// Why it could not be had.
    pub async fn fetch(
        &self,
        caller: Caller<'_>,
        with: &Rc<Credentials>,
    ) -> Result<Temporary, Fault> {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let headers = vec![
            header("content-type", "application/x-amz-json-1.1"),
            header("x-amz-target", "secretsmanager.GetSecretValue"),
        ];
        let body = serde_json::json!({ "SecretId": self.id }).to_string();
        let posted = self
            .service
            .post(STEP, caller, with, headers, body.into_bytes());
        let answer = posted.await?.ok_or(Fault::Status(STEP, 404))?;
        read::secret(STEP, &answer.body)
    }

    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        let mark = mark.with("secret").with(&self.id);
        let mark = self.service.endpoint.mark(mark);
        mark.with(self.service.scope.region())
    }
}
