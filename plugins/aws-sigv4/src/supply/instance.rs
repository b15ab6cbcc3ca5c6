//! Credentials of the role of an EC2 instance, from its metadata (IMDSv2: each read carries the
//! token of a session; version 1 is never used).
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>

use modelgate_kit::refresh::Mark;

use super::call::{Caller, Endpoint};
use super::fault::Fault;
use super::read::{self, Temporary};
use crate::config::sources::is_role_name;

/// What it is called in faults.
const STEP: &str = "instance metadata";
/// Where a session is begun.
const SESSION: &str = "/latest/api/token";
/// Where the role is named; below it are its credentials.
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// How long a session lives that serves for one fetch, in seconds.
const SESSION_S: &[u8] = b"60";

/// The metadata of this instance.
pub struct Instance {
    /// Where it is; the URL's path is not used.
    pub endpoint: Endpoint,
    /// The role; asked for, where it is not given.
    pub role: Option<String>,
}

impl Instance {
    /// The role's credentials; none where the instance has no role.
    ///
    /// # Errors
    /// Why they could not be had.
    pub async fn fetch(&self, caller: Caller<'_>) -> Result<Option<Temporary>, Fault> {
        let ttl = "x-aws-ec2-metadata-token-ttl-seconds".to_owned();
        let (endpoint, nothing) = (&self.endpoint, Vec::new);
        let begun = caller.ask(
            STEP,
            endpoint,
            Some(SESSION),
            "PUT",
            vec![(ttl, SESSION_S.to_vec())],
            nothing(),
        );
        // A host without sessions is no EC2 instance.
        let Some(session) = begun.await? else {
            return Ok(None);
        };
        if session.body.is_empty() || !session.body.iter().all(u8::is_ascii_graphic) {
            return Err(Fault::Unreadable(STEP, "session token"));
        }
        let headers = || {
            let name = "x-aws-ec2-metadata-token".to_owned();
            vec![(name, session.body.clone())]
        };
        let role = match &self.role {
            Some(role) => role.clone(),
            None => {
                let asked = caller.ask(STEP, endpoint, Some(ROLES), "GET", headers(), nothing());
                match asked.await? {
                    Some(answer) => first_role(&answer.body)?,
                    None => return Ok(None),
                }
            }
        };
        let path = format!("{ROLES}{role}");
        let asked = caller.ask(STEP, endpoint, Some(&path), "GET", headers(), nothing());
        let answer = asked.await?;
        answer
            .map(|answer| read::json(STEP, &answer.body))
            .transpose()
    }

    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        let mark = self.endpoint.mark(mark.with("instance"));
        mark.with(self.role.as_deref().unwrap_or_default())
    }
}

/// The first line: an instance has one role.
fn first_role(text: &[u8]) -> Result<String, Fault> {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let role = std::str::from_utf8(line.trim_ascii()).ok();
    role.filter(|role| is_role_name(role))
        .map(str::to_owned)
        .ok_or(Fault::Unreadable(STEP, "role"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_cannot_leave_its_place_in_the_path() {
        assert_eq!(first_role(b"models-prod\n").as_deref(), Ok("models-prod"));
        for text in ["", "a/b", "a?b", "a b", "\nrole", "<html>", &"a".repeat(65)] {
            assert!(first_role(text.as_bytes()).is_err(), "{text}");
        }
    }
}
