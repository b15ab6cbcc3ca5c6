//! URLs that are called, taken apart for a callout.
//!
//! The cluster decides whom we connect to; scheme, authority and path only fill in the call. So a
//! document that came over the network can name another host, but never make us connect to one that
//! the operator has not configured.

use std::fmt;

use serde::Deserialize;

use crate::config::types::refused_unlike;

/// An absolute http or https URL without user information and fragment.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(with = "String", inline)]
pub struct HttpUrl {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Host, and port if written.
    pub authority: String,
    /// Path with query, beginning with `/`.
    pub path: String,
}

impl HttpUrl {
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

impl fmt::Display for HttpUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| {
            refused_unlike(
                "https://refused/",
                "is not an http or https URL",
                "write https://HOST/PATH",
            )
        })
    }
}

/// As it was written, for tools that show defaults.
impl serde::Serialize for HttpUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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
            let read = HttpUrl::parse(url);
            let parts = read
                .as_ref()
                .map(|read| (read.scheme, read.authority.as_str(), read.path.as_str()));
            assert_eq!(parts, expected, "{url}");
        }
    }
}
