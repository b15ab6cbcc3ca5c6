//! URLs of key sets and issuer metadata, taken apart for a callout.
//!
//! The cluster decides whom we connect to; scheme, authority and path only fill in the call. So a
//! discovery document can name another host, but never make us connect to one that the operator has
//! not configured.

use std::fmt;

/// An absolute http or https URL without user information and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Host, and port if written.
    pub authority: String,
    /// Path with query, beginning with `/`.
    pub path: String,
}

impl Location {
    /// Takes a URL apart; `None` when it is no such URL.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => ("https", rest),
            (_, Some(rest)) => ("http", rest),
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let path = match target.strip_prefix('?') {
            Some(query) => format!("/?{query}"),
            None if target.is_empty() => "/".to_owned(),
            None => target.to_owned(),
        };
        let is_authority = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
        // Visible ASCII, and nothing that the call's `:path` could not carry as it is.
        let is_target = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'#';
        (!authority.is_empty()
            && authority.bytes().all(is_authority)
            && path.bytes().all(is_target))
        .then(|| Self {
            scheme,
            authority: authority.to_owned(),
            path,
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// Where an issuer's metadata is (OpenID Connect Discovery 1.0 section 4: appended to the issuer, a
/// final slash dropped).
pub fn well_known(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.strip_suffix('/').unwrap_or(issuer)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, expected) in [
            (
                "https://idp.test/keys?v=1",
                Some(("https", "idp.test", "/keys?v=1")),
            ),
            (
                "http://127.0.0.1:8080",
                Some(("http", "127.0.0.1:8080", "/")),
            ),
            ("https://[::1]:8443?x", Some(("https", "[::1]:8443", "/?x"))),
            ("https://idp.test/a@b", Some(("https", "idp.test", "/a@b"))),
            ("https://user@idp.test/", None),
            ("https:///keys", None),
            ("ftp://idp.test/", None),
            ("//idp.test/", None),
            ("https://idp.test/a b", None),
            ("https://idp.test/a#b", None),
            ("https://idp.test/\r\n", None),
            ("https://idp\u{e9}.test/", None),
            ("", None),
        ] {
            let read = Location::parse(url);
            let parts = read
                .as_ref()
                .map(|read| (read.scheme, read.authority.as_str(), read.path.as_str()));
            assert_eq!(parts, expected, "{url}");
        }
    }

    #[test]
    fn the_metadata_is_below_the_issuer() {
        assert_eq!(
            well_known("https://idp.test"),
            "https://idp.test/.well-known/openid-configuration"
        );
        assert_eq!(
            well_known("https://idp.test/realm/"),
            "https://idp.test/realm/.well-known/openid-configuration"
        );
    }
}
