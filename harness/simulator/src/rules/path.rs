//! What the proxy makes of a request's path before any filter sees it, by the rules of Envoy's HTTP
//! connection manager.
//!
//! In Envoy's order (source/common/http/conn_manager_utility.cc, `maybeNormalizePath`): a fragment
//! is refused; escaped slashes are refused if so configured; then the path is written in its one
//! canonical form, as its URL library does (unreserved characters unescaped, `.` and `..` resolved,
//! `\` read as `/`); then runs of slashes become one. The query is left alone.

/// The rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    /// `normalize_path`.
    pub normalize: bool,
    /// `merge_slashes`.
    pub merge_slashes: bool,
    /// `path_with_escaped_slashes_action: REJECT_REQUEST`.
    pub reject_escaped_slashes: bool,
    /// `headers_with_underscores_action: REJECT_REQUEST`; of the headers' names, not of the path.
    pub reject_underscores: bool,
}

impl PathRules {
    /// A path (with its query) as filters see it; `None` when the request is refused.
    pub fn apply(self, path: &[u8]) -> Option<Vec<u8>> {
        if path.contains(&b'#') {
            return None;
        }
        let (path, query) = match path.iter().position(|byte| *byte == b'?') {
            Some(at) => path.split_at(at),
            None => (path, &b""[..]),
        };
        // `*` and the like are no paths.
        if path.first() != Some(&b'/') {
            return Some([path, query].concat());
        }
        if self.reject_escaped_slashes && has_escaped_slash(path) {
            return None;
        }
        let mut path = match self.normalize {
            true => canonical(path)?,
            false => path.to_vec(),
        };
        if self.merge_slashes {
            path.dedup_by(|after, before| (*after, *before) == (b'/', b'/'));
        }
        path.extend_from_slice(query);
        Some(path)
    }
}

fn has_escaped_slash(path: &[u8]) -> bool {
    path.windows(3).any(|escape| {
        [&b"%2f"[..], b"%5c"]
            .iter()
            .any(|slash| escape.eq_ignore_ascii_case(slash))
    })
}

/// The canonical form; `None` when there is an escaped zero byte.
fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        if out.last() == Some(&b'/')
            && let Some((up, length)) = dots(rest)
        {
            if up && out.len() > 1 {
                out.pop();
                while out.last().is_some_and(|byte| *byte != b'/') {
                    out.pop();
                }
            }
            rest = rest.get(length..)?;
            continue;
        }
        rest = after;
        match byte {
            b'%' => match after.first_chunk::<2>().and_then(hex) {
                Some(0) => return None,
                Some(value) if is_unreserved(value) => {
                    out.push(value);
                    rest = after.get(2..)?;
                }
                Some(_) => {
                    out.push(b'%');
                    out.extend_from_slice(after.get(..2)?);
                    rest = after.get(2..)?;
                }
                None => out.push(b'%'),
            },
            b'\\' => out.push(b'/'),
            byte if needs_escape(*byte) => {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            byte => out.push(*byte),
        }
    }
    Some(out)
}

/// Whether a segment of one dot or two (`up`) begins here, and how long it is with the slash after
/// it.
fn dots(rest: &[u8]) -> Option<(bool, usize)> {
    let one = dot(rest)?;
    let after = rest.get(one..)?;
    if let Some(slash) = end_of_segment(after) {
        return Some((false, one.saturating_add(slash)));
    }
    let two = one.saturating_add(dot(after)?);
    let slash = end_of_segment(rest.get(two..)?)?;
    Some((true, two.saturating_add(slash)))
}

fn dot(rest: &[u8]) -> Option<usize> {
    if rest.first() == Some(&b'.') {
        return Some(1);
    }
    rest.get(..3)
        .is_some_and(|escape| escape.eq_ignore_ascii_case(b"%2e"))
        .then_some(3)
}

fn end_of_segment(rest: &[u8]) -> Option<usize> {
    match rest.first() {
        None => Some(0),
        Some(b'/' | b'\\') => Some(1),
        Some(_) => None,
    }
}

fn hex(digits: &[u8; 2]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn needs_escape(byte: u8) -> bool {
    matches!(
        byte,
        0..=0x20 | 0x7f.. | b'"' | b'#' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PathRules = PathRules {
        normalize: true,
        merge_slashes: true,
        reject_escaped_slashes: true,
        reject_underscores: true,
    };

    fn applied(path: &str) -> Option<String> {
        ALL.apply(path.as_bytes())
            .map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn every_path_has_one_form() {
        for (path, normal) in [
            ("/a/b", "/a/b"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/../../a", "/a"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a\\..\\b", "/b"),
            ("/a//b///c", "/a/b/c"),
            ("/a/...", "/a/..."),
            ("/a/.b", "/a/.b"),
            ("/%61%2D%7e", "/a-~"),
            ("/a%20b%3a", "/a%20b%3a"),
            ("/a b\"{}^", "/a%20b%22%7B%7D%5E"),
            ("/100%", "/100%"),
            ("/%zz", "/%zz"),
            ("/%+1", "/%+1"),
            ("/a/..?x=/../y//z%2F", "/?x=/../y//z%2F"),
            ("*", "*"),
        ] {
            assert_eq!(applied(path).as_deref(), Some(normal), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_two_things_are_refused() {
        for path in ["/a%2Fb", "/a%2fb", "/a%5Cb", "/a%00b", "/a#b", "/a?x#b"] {
            assert_eq!(applied(path), None, "{path}");
        }
    }

    #[test]
    fn without_rules_a_path_stays_as_it_is() {
        for path in ["/a/../b//c%2Fd", "/", "*", "/%00"] {
            assert_eq!(
                PathRules::default().apply(path.as_bytes()).as_deref(),
                Some(path.as_bytes())
            );
        }
    }
}
