//! What nginx makes of a request's target before any filter sees it
//! (src/http/ngx_http_parse.c, `ngx_http_parse_complex_uri`, with `merge_slashes on`).
//!
//! Escapes are decoded first, escaped slashes and dots among them; then runs of slashes become one
//! and `.` and `..` are resolved. What follows the first `?` is left alone, and a fragment is
//! dropped. An escaped `?`, `#` or `%` is part of the path and stands for itself.

/// A target as the proxy has parsed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    /// The path, decoded.
    pub path: Vec<u8>,
    /// What follows the `?`.
    pub query: Option<Vec<u8>>,
}

impl Uri {
    /// Parses a target; `None` when nginx answers 400: an escape that is none, an escaped zero
    /// byte, or a path that leads above its root.
    pub fn parse(target: &[u8]) -> Option<Self> {
        let end = target.iter().position(|byte| *byte == b'#');
        let target = target.get(..end.unwrap_or(target.len()))?;
        let mark = target.iter().position(|byte| *byte == b'?');
        let (path, query) = match mark {
            Some(at) => (target.get(..at)?, target.get(at.saturating_add(1)..)),
            None => (target, None),
        };
        // `*` and the like are no paths.
        let path = match path.first() {
            Some(b'/') => resolved(&decoded(path)?)?,
            _ => path.to_vec(),
        };
        Some(Self {
            path,
            query: query.filter(|query| !query.is_empty()).map(<[u8]>::to_vec),
        })
    }

    /// Path and query, as `:path` shows them.
    pub fn shown(&self) -> Vec<u8> {
        match &self.query {
            Some(query) => [&self.path, &b"?"[..], query].concat(),
            None => self.path.clone(),
        }
    }
}

fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                let value = digit()?.checked_mul(16)?.checked_add(digit()?)?;
                u8::try_from(value).ok().filter(|value| *value != 0)?
            }
            byte => *byte,
        });
    }
    Some(out)
}

/// The path without runs of slashes and without dots; `None` when it leads above its root.
fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    let mut folder = false;
    while let Some(segment) = segments.next() {
        folder = segments.peek().is_none();
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop()?;
            }
            segment => {
                folder = false;
                kept.push(segment);
            }
        }
    }
    let mut out = b"/".to_vec();
    out.extend(kept.join(&b'/'));
    if folder && out.len() > 1 {
        out.push(b'/');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_merged_and_resolved() {
        for (target, expected) in [
            ("/a%2Fb/../c//d", Some("/a/c/d")),
            ("/v2/secret%2f..%2fok/infer", Some("/v2/ok/infer")),
            ("/v2/secret/%2e%2e/ok", Some("/v2/ok")),
            ("//open/x", Some("/open/x")),
            ("/x%3f/../v2/ok", Some("/v2/ok")),
            ("/x%3fy", Some("/x?y")),
            ("/a/./b/", Some("/a/b/")),
            ("/a/b/..", Some("/a/")),
            ("/a/.", Some("/a/")),
            ("/", Some("/")),
            ("/a?x=%2f&y=..", Some("/a?x=%2f&y=..")),
            ("/a?", Some("/a")),
            ("/a#b?c", Some("/a")),
            ("*", Some("*")),
            ("/../a", None),
            ("/a%zz", None),
            ("/a%2", None),
            ("/a%00b", None),
        ] {
            let shown = Uri::parse(target.as_bytes()).map(|uri| uri.shown());
            assert_eq!(shown.as_deref(), expected.map(str::as_bytes), "{target}");
        }
    }
}
