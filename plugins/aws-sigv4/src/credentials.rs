//! The credentials that sign and the scope they sign for.
//!
//! Both are checked once, where they are made, so that signing cannot fail: what passes here is
//! safe inside a header value and inside the slash-separated credential scope. The secret and the
//! session token are wiped from memory when dropped; neither type can be printed.

use zeroize::Zeroizing;

/// Why credentials or a scope were refused. Never holds the refused text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The access key id is not 1 to 128 letters, digits, underscores or hyphens.
    AccessKeyId,
    /// The secret access key is empty, longer than 256 bytes, or holds white space or a control
    /// character.
    SecretAccessKey,
    /// The session token is empty, longer than 16 KiB, or holds white space or a control character.
    SessionToken,
    /// The region is not 1 to 64 lower-case letters, digits or hyphens.
    Region,
    /// The service is not 1 to 64 lower-case letters, digits or hyphens.
    Service,
}

/// An access key, with its session token if it is a temporary one.
pub struct Credentials {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Checks and takes the three parts.
    ///
    /// # Errors
    /// The first part that could not stand in a request.
    pub fn new(
        access_key_id: String,
        secret_access_key: Zeroizing<String>,
        session_token: Option<Zeroizing<String>>,
    ) -> Result<Self, Malformed> {
        let id_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=128).contains(&access_key_id.len()) || !access_key_id.bytes().all(id_byte) {
            return Err(Malformed::AccessKeyId);
        }
        if !is_token(&secret_access_key, 256) {
            return Err(Malformed::SecretAccessKey);
        }
        if session_token
            .as_ref()
            .is_some_and(|token| !is_token(token, 16 * 1024))
        {
            return Err(Malformed::SessionToken);
        }
        Ok(Self {
            access_key_id,
            secret_access_key,
            session_token,
        })
    }

    /// The public half: it stands in every `Authorization` header.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// What goes out as `x-amz-security-token`: a secret, though it travels with each request.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(|token| token.as_str())
    }

    pub(crate) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }
}

/// The region and the service that a signature is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    region: String,
    service: String,
}

impl Scope {
    /// Checks and takes both names.
    ///
    /// # Errors
    /// The first name that is not made of lower-case letters, digits and hyphens.
    pub fn new(region: String, service: String) -> Result<Self, Malformed> {
        if !is_name(&region) {
            return Err(Malformed::Region);
        }
        if !is_name(&service) {
            return Err(Malformed::Service);
        }
        Ok(Self { region, service })
    }

    /// The region, such as `eu-central-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service's signing name, such as `sagemaker`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }
}

fn is_token(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(id: &str, secret: &str, token: Option<&str>) -> Option<Malformed> {
        let token = token.map(|token| Zeroizing::new(token.to_owned()));
        Credentials::new(id.to_owned(), Zeroizing::new(secret.to_owned()), token).err()
    }

    #[test]
    fn what_could_break_a_header_or_a_scope_is_refused() {
        let id = "AKIAIOSFODNN7EXAMPLE";
        assert_eq!(credentials(id, "s/e+c=", Some("t/o+k=")), None);
        for bad in [
            "",
            "AKIAIOSFODNN7/EXAMPLE",
            "AKIAIOSFODNN7EXAMPLE\n",
            "AKIAIOSFODNN7 EXAMPLE",
        ] {
            assert_eq!(credentials(bad, "s", None), Some(Malformed::AccessKeyId));
        }
        for bad in ["", "a b", "a\n", "\u{e9}"] {
            assert_eq!(credentials(id, bad, None), Some(Malformed::SecretAccessKey));
            assert_eq!(
                credentials(id, "s", Some(bad)),
                Some(Malformed::SessionToken)
            );
        }
        for bad in ["", "eu/central", "EU", "eu central"] {
            assert_eq!(
                Scope::new(bad.to_owned(), "s3".to_owned()),
                Err(Malformed::Region)
            );
            assert_eq!(
                Scope::new("eu-west-1".to_owned(), bad.to_owned()),
                Err(Malformed::Service)
            );
        }
    }
}
