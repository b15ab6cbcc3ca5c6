//! Requests that ask to leave HTTP: WebSocket and other upgrades, and CONNECT.
//!
//! What follows their headers is no body but another protocol, in both directions, and it ends when
//! the connection does. So nothing may wait for its end:
//! [`Message::body`](crate::message::Message::body) refuses at once, and filters that must see a
//! whole body say in their configuration what happens (`on_upgrade`).

use crate::headers::HeaderBlock;

/// How a request asks to leave HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// `upgrade` together with `connection: upgrade` (RFC 9110 section 7.8). Envoy shows an
    /// extended CONNECT of HTTP/2 and HTTP/3 (RFC 8441) in this form too.
    Switch,
    /// CONNECT (RFC 9110 section 9.3.6), with a `:protocol` or without.
    Connect,
}

impl Upgrade {
    /// Whether these request headers ask for one; the same condition as Envoy's
    /// (`Utility::isUpgrade`, source/common/http/utility.cc): a client must not be able to make us
    /// see an upgrade where the proxy sees a body.
    pub fn of(request: &HeaderBlock) -> Option<Self> {
        let connects = |value: &[u8]| value == b"CONNECT";
        if request.first(":protocol").is_some() || request.first(":method").is_some_and(connects) {
            return Some(Self::Connect);
        }
        request.first("upgrade")?;
        let named = request
            .all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        named.then_some(Self::Switch)
    }

    /// Whether an answer with this status grants it. Any other one is an ordinary answer.
    pub const fn is_granted(self, status: u16) -> bool {
        match self {
            // Proxies show the 200 of an extended CONNECT as 101, and may not.
            Self::Switch => status == 101,
            Self::Connect => matches!(status, 101 | 200..=299),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<Upgrade> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Upgrade::of(&HeaderBlock::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        for connection in [
            "upgrade",
            "Upgrade",
            "keep-alive, Upgrade",
            "keep-alive ,\tUPGRADE , x",
        ] {
            let headers = [
                (":method", "GET"),
                ("connection", connection),
                ("upgrade", "websocket"),
            ];
            assert_eq!(of(&headers), Some(Upgrade::Switch), "{connection}");
        }
        let twice = [
            ("connection", "close"),
            ("connection", "upgrade"),
            ("Upgrade", "x"),
        ];
        assert_eq!(of(&twice), Some(Upgrade::Switch));
        for headers in [
            &[("upgrade", "websocket")][..],
            &[("connection", "upgrade")],
            &[("connection", "upgrade2, no-upgrade"), ("upgrade", "x")],
            &[(":method", "POST"), ("x-upgrade", "x")],
        ] {
            assert_eq!(of(headers), None, "{headers:?}");
        }
    }

    #[test]
    fn connect_is_one_with_a_protocol_or_without() {
        assert_eq!(of(&[(":method", "CONNECT")]), Some(Upgrade::Connect));
        let extended = [(":method", "CONNECT"), (":protocol", "websocket")];
        assert_eq!(of(&extended), Some(Upgrade::Connect));
        assert_eq!(of(&[(":method", "connect")]), None, "methods have a case");
    }

    #[test]
    fn only_the_status_that_grants_it_leaves_http() {
        assert!(Upgrade::Switch.is_granted(101));
        assert!(Upgrade::Connect.is_granted(101) && Upgrade::Connect.is_granted(200));
        for status in [100, 102, 200, 204, 400, 426] {
            assert!(!Upgrade::Switch.is_granted(status), "{status}");
        }
        assert!(!Upgrade::Connect.is_granted(302) && !Upgrade::Connect.is_granted(403));
    }
}
