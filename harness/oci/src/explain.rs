//! What a registry's refusal means, and what to do about it.
//!
//! Addresses are left out of messages: those of uploads have a registry's own tokens in them.

use std::error::Error as _;

use anyhow::anyhow;
use oci_client::errors::{OciDistributionError as Error, OciErrorCode};
use serde_json::Value as Json;

use crate::Repository;

/// The longest text of a registry's that is shown.
const LONGEST: usize = 300;

/// An error, as far as it says what to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The distribution-spec's codes, and the registry's own.
    pub codes: Vec<String>,
    /// What the registry says, or what was wrong with the connection.
    pub said: String,
    /// Whether it may go better a moment later.
    pub transient: bool,
}

/// Who asked for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Where.
    pub repository: &'a Repository,
    /// Where the credentials are from, if there were any.
    pub credentials: Option<&'a str>,
    /// Whether something was to be written.
    pub write: bool,
}

impl Failure {
    /// Of an error.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::RegistryError { envelope, .. } => {
                let code = |code: &OciErrorCode| serde_json::to_value(code).ok();
                let errors = envelope.errors.iter();
                let codes: Vec<String> = errors
                    .filter_map(|error| Some(code(&error.code)?.as_str()?.to_owned()))
                    .collect();
                let said: Vec<&str> = envelope
                    .errors
                    .iter()
                    .map(|it| it.message.as_str())
                    .collect();
                Self {
                    transient: codes.iter().any(|code| code == "TOOMANYREQUESTS"),
                    codes,
                    said: said.join("; "),
                    status: None,
                }
            }
            Error::ServerError { code, message, .. } => Self::answered(*code, message),
            Error::UnauthorizedError { .. } => Self::answered(401, ""),
            Error::AuthenticationFailure(said) => Self {
                status: Some(401),
                ..Self::answered(401, said)
            },
            Error::ImageManifestNotFoundError(said) => Self::answered(404, said),
            Error::RequestError(error) => match error.status() {
                Some(status) => Self::answered(status.as_u16(), ""),
                None => {
                    let mut said = Vec::new();
                    let mut cause: Option<&dyn std::error::Error> = error.source();
                    while let Some(error) = cause {
                        said.push(error.to_string());
                        cause = error.source();
                    }
                    // The last one says it; those before it repeat it or name the layer.
                    let said = said.pop().unwrap_or_else(|| "no connection".to_owned());
                    let tls = said.contains("certificate") || said.contains("InvalidContentType");
                    Self {
                        transient: !tls
                            && (error.is_connect()
                                || error.is_timeout()
                                || error.is_body()
                                || error.is_request()),
                        said: if error.is_timeout() {
                            "no answer in time".to_owned()
                        } else {
                            said
                        },
                        ..Self::default()
                    }
                }
            },
            other => Self {
                said: other.to_string(),
                ..Self::default()
            },
        }
    }

    fn answered(status: u16, body: &str) -> Self {
        let json: Option<Json> = serde_json::from_str(body).ok();
        let errors = json
            .as_ref()
            .and_then(|json| json.get("errors")?.as_array());
        let all = |name: &str| -> Vec<String> {
            let errors = errors.into_iter().flatten();
            errors
                .filter_map(|error| Some(error.get(name)?.as_str()?.to_owned()))
                .collect()
        };
        let said = match errors {
            Some(_) => all("message").join("; "),
            // A page of some proxy's.
            None if body.trim_start().starts_with('<') => String::new(),
            None => body.to_owned(),
        };
        Self {
            status: Some(status),
            codes: all("code"),
            said,
            transient: matches!(status, 408 | 425 | 429 | 500..=599),
        }
    }

    /// Whether what was asked for is not there.
    pub fn is_absent(&self) -> bool {
        self.status == Some(404)
            || [
                "MANIFEST_UNKNOWN",
                "NAME_UNKNOWN",
                "BLOB_UNKNOWN",
                "NOT_FOUND",
            ]
            .iter()
            .any(|code| self.codes.iter().any(|known| known == code))
    }

    /// Whether the registry wants to know who asks, or does not like who it is.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, Some(401 | 403)) || self.has("UNAUTHORIZED") || self.has("DENIED")
    }

    fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    /// As an error of ours, with what to do.
    pub fn explain(&self, asked: Asked) -> anyhow::Error {
        let repository = asked.repository;
        let mut said = shown(&self.said);
        if said.is_empty() {
            said = match (self.codes.first(), self.status) {
                (Some(code), _) => shown(code),
                (None, Some(status)) => format!("HTTP status {status}"),
                (None, None) => "no reason is given".to_owned(),
            };
        }
        let hint = self.hint(asked);
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        anyhow!("{repository}: {said}{hint}")
    }

    fn hint(&self, asked: Asked) -> Option<String> {
        let registry = &asked.repository.registry;
        let login = format!(
            "`docker login {registry}`, or MODELGATE_REGISTRY_USER and MODELGATE_REGISTRY_PASSWORD"
        );
        let said = self.said.to_lowercase();
        if said.contains("immutable")
            || self.has("ARTIFACT_LOCKED")
            || said.contains("already exists")
        {
            return Some("the registry keeps tags as they are: push another tag".to_owned());
        }
        if self.has("NAME_INVALID") {
            return Some("the registry does not take this name; some ask for a project or an organization before it".to_owned());
        }
        if self.has("DENIED") || self.status == Some(403) {
            return Some(match (asked.credentials, asked.write) {
                (None, _) => format!("no credentials were found for {registry}: {login}"),
                (Some(origin), true) => format!(
                    "the account from {origin} may not push there: it needs the right to write, such as the scope write:packages on ghcr.io, and on some registries the repository must exist first"
                ),
                (Some(origin), false) => {
                    format!("the account from {origin} may not pull from there")
                }
            });
        }
        if self.is_refusal() {
            return Some(match asked.credentials {
                None => format!("no credentials were found for {registry}: {login}"),
                Some(origin) => format!(
                    "the credentials from {origin} are not accepted, or have expired: {login}"
                ),
            });
        }
        if self.is_absent() {
            return Some(match asked.write {
                true => "the registry does not make repositories by itself: make it first, as with `aws ecr create-repository`".to_owned(),
                false => "there is no such repository, tag or digest; a private one may be hidden from who has not logged in".to_owned(),
            });
        }
        if self.status == Some(429) || self.has("TOOMANYREQUESTS") {
            return Some("the registry limits requests: try again later, or log in".to_owned());
        }
        if said.contains("invalidcontenttype") {
            return Some(format!(
                "{registry} does not speak TLS: --plain-http, if nobody is on the way who could change what is fetched"
            ));
        }
        if said.contains("certificate") {
            return Some(
                "the certificate is not trusted: SSL_CERT_FILE names a file with the authority's"
                    .to_owned(),
            );
        }
        None
    }
}

/// A text of somebody else's: not too long, and without anything that a terminal would obey.
fn shown(text: &str) -> String {
    let mut shown: String = text
        .trim()
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.trim().chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str, credentials: Option<&str>, write: bool) -> String {
        let (repository, _) = Repository::parse("r.example/a").unwrap();
        let asked = Asked {
            repository: &repository,
            credentials,
            write,
        };
        Failure::answered(status, body).explain(asked).to_string()
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let of = |code: &str, message: &str| {
            format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#)
        };
        for (status, body, credentials, write, wanted) in [
            (
                401,
                of("UNAUTHORIZED", "authentication required"),
                None,
                true,
                "docker login r.example",
            ),
            (
                401,
                of("UNAUTHORIZED", "x"),
                Some("config.json"),
                true,
                "from config.json are not accepted",
            ),
            (
                403,
                of("DENIED", "permission_denied"),
                Some("f"),
                true,
                "right to write",
            ),
            (403, String::new(), None, false, "no credentials were found"),
            (
                404,
                of("NAME_UNKNOWN", "repository does not exist"),
                Some("f"),
                true,
                "create-repository",
            ),
            (
                404,
                of("MANIFEST_UNKNOWN", "manifest unknown"),
                None,
                false,
                "no such repository, tag or digest",
            ),
            (
                400,
                of("NAME_INVALID", "invalid name"),
                None,
                true,
                "project or an organization",
            ),
            (
                400,
                of(
                    "TAG_INVALID",
                    "The image tag already exists and the tag is immutable",
                ),
                None,
                true,
                "push another tag",
            ),
            (
                429,
                of("TOOMANYREQUESTS", "slow"),
                None,
                false,
                "try again later",
            ),
        ] {
            let told = told(status, &body, credentials, write);
            assert!(
                told.starts_with("r.example/a: ") && told.contains(wanted),
                "{told}"
            );
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, transient) in [
            (400, false),
            (401, false),
            (404, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            assert_eq!(
                Failure::answered(status, "").transient,
                transient,
                "{status}"
            );
        }
    }

    #[test]
    fn nothing_of_a_registry_reaches_the_terminal_as_it_is() {
        let told = told(500, &format!("\u{1b}[2J{}", "x".repeat(1000)), None, false);
        assert!(!told.contains('\u{1b}') && told.len() < 400, "{told}");
        assert_eq!(Failure::answered(502, "<html>").said, "");
    }
}
