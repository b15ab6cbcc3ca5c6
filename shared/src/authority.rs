//! The host that a request is for, where a filter decides by it.
//!
//! `Host` and `:authority` are a host and a port and nothing else (RFC 9110 section 7.2; userinfo
//! is an error, section 4.2.4). Servers differ in what they make of more, so a value that is not
//! plainly that decides nothing.

/// The host of an authority in its one form, without port and without a dot at its end; nothing if
/// it is no plain host and port.
pub fn host(authority: &[u8]) -> Option<&str> {
    let authority = std::str::from_utf8(authority).ok()?;
    let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
        let (address, behind) = literal.split_once(']')?;
        let plain = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        if address.is_empty() || !address.bytes().all(plain) {
            return None;
        }
        let host = authority.get(..address.len().checked_add(2)?)?;
        (
            host,
            if behind.is_empty() {
                None
            } else {
                Some(behind.strip_prefix(':')?)
            },
        )
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !host.bytes().all(plain) {
            return None;
        }
        (host.strip_suffix('.').unwrap_or(host), port)
    };
    let digits =
        port.is_none_or(|port| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()));
    // Where a name has an empty label, servers differ in what they drop.
    let whole =
        !host.is_empty() && !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
    (digits && whole).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (authority, expected) in [
            ("a.test", "a.test"),
            ("a.test:8080", "a.test"),
            ("A_b-1.test.", "A_b-1.test"),
            ("a.test.:443", "a.test"),
            ("a.test:", "a.test"),
            ("10.0.0.1:1", "10.0.0.1"),
            ("[2001:db8::1]:443", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host(authority.as_bytes()), Some(expected), "{authority}");
        }
    }

    #[test]
    fn what_is_more_than_host_and_port_is_none() {
        for authority in [
            "",
            ".",
            ":80",
            "x@locked.test",
            "x:y@locked.test",
            "locked.test@x",
            "locked.test:80@x",
            "a.test,b.test",
            "a.test b.test",
            "a.test/",
            "a.test?x",
            "a.test#x",
            "a.test\\x",
            "a%2etest",
            "a.test:80:90",
            "a.test:x",
            "a.test:123456",
            "a..",
            ".a.test",
            "a..test",
            "[::1",
            "[::1]x",
            "[]",
            "[v1.x]",
            "::1",
            "\u{e9}.test",
        ] {
            assert_eq!(host(authority.as_bytes()), None, "{authority}");
        }
        assert_eq!(host(b"a.test\0"), None);
        assert_eq!(host(b"\xff"), None);
    }
}
