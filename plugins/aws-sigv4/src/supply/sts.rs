//! Roles that are assumed with STS, by other credentials or by the token of an identity provider.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::rc::Rc;

use modelgate_kit::refresh::Mark;

use super::call::{Caller, Endpoint, Headers};
use super::fault::Fault;
use super::read::{self, Temporary};
use super::signed::Service;
use super::token::Token;
use crate::credentials::Credentials;
use crate::uri;

/// What they are called in faults.
const BY_ROLE: &str = "AssumeRole";
const BY_TOKEN: &str = "AssumeRoleWithWebIdentity";

/// What is asked for in both ways.
#[derive(Clone)]
pub struct Session {
    /// The role.
    pub role_arn: String,
    /// Names the session in the role's account, and in its logs.
    pub name: String,
    /// How long its credentials live, in seconds; as long as STS likes, where it is not given.
    pub duration_s: Option<u64>,
}

impl Session {
    fn form(&self, action: &str) -> Form {
        let mut form = Form::default();
        form.add("Action", action);
        form.add("Version", "2011-06-15");
        form.add("RoleArn", &self.role_arn);
        form.add("RoleSessionName", &self.name);
        if let Some(duration_s) = self.duration_s {
            form.add("DurationSeconds", &duration_s.to_string());
        }
        form
    }

    fn mark(&self, mark: Mark) -> Mark {
        let duration = self.duration_s.unwrap_or(0).to_le_bytes();
        mark.with(&self.role_arn).with(&self.name).with(duration)
    }
}

/// A role that is assumed with other credentials.
pub struct Role {
    /// Where, and for which region calls are signed.
    pub sts: Service,
    /// What is asked for.
    pub session: Session,
    /// What the role's owner has asked for (against the confused deputy).
    pub external_id: Option<String>,
}

/// A tag of a session.
pub type Tag = (String, String);

impl Role {
    /// The role's credentials. The session has these tags.
    ///
    /// # Errors
    /// Why they could not be had.
    pub async fn fetch(
        &self,
        caller: Caller<'_>,
        with: &Rc<Credentials>,
        tags: &[Tag],
    ) -> Result<Temporary, Fault> {
        let mut form = self.session.form(BY_ROLE);
        if let Some(id) = &self.external_id {
            form.add("ExternalId", id);
        }
        for (at, (key, value)) in (1_usize..).zip(tags) {
            form.add(&format!("Tags.member.{at}.Key"), key);
            form.add(&format!("Tags.member.{at}.Value"), value);
        }
        let posted = self.sts.post(BY_ROLE, caller, with, headers(), form.0);
        let answer = posted.await?.ok_or(Fault::Status(BY_ROLE, 404))?;
        read::sts(BY_ROLE, &answer.body)
    }

    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        let mark = self.session.mark(mark.with("role"));
        let mark = self.sts.endpoint.mark(mark);
        mark.with(self.sts.scope.region())
            .with(self.external_id.as_deref().unwrap_or_default())
    }
}

/// A role that is assumed with a token of an identity provider, such as that of a service account.
pub struct WebIdentity {
    /// Where STS is.
    pub endpoint: Endpoint,
    /// What is asked for.
    pub session: Session,
    /// The token.
    pub token: Token,
}

impl WebIdentity {
    /// The role's credentials; none where the token is not there.
    ///
    /// # Errors
    /// Why they could not be had.
    pub async fn fetch(&self, caller: Caller<'_>) -> Result<Option<Temporary>, Fault> {
        let Some(token) = self.token.get(caller).await? else {
            return Ok(None);
        };
        let mut form = self.session.form(BY_TOKEN);
        form.add_bytes("WebIdentityToken", &token);
        let endpoint = &self.endpoint;
        let asked = caller.ask(BY_TOKEN, endpoint, None, "POST", headers(), form.0);
        let answer = asked.await?.ok_or(Fault::Status(BY_TOKEN, 404))?;
        caller.clock.learn(caller.root.host(), &answer.headers);
        read::sts(BY_TOKEN, &answer.body).map(Some)
    }

    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        let mark = self.session.mark(mark.with("web identity"));
        self.token.mark(self.endpoint.mark(mark))
    }
}

fn headers() -> Headers {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    vec![("content-type".to_owned(), form.as_bytes().to_vec())]
}

/// A form (WHATWG URL, section 5), every byte but unreserved ones encoded.
#[derive(Default)]
struct Form(Vec<u8>);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        self.add_bytes(name, value.as_bytes());
    }

    fn add_bytes(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        self.0
            .extend_from_slice(&uri::encoded(value.iter().copied()));
    }
}
