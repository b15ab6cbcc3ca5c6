//! The client's address, as far as it can be believed.
//!
//! From the connection: what the proxy says, which on Envoy is the client's own invention unless
//! `use_remote_address: true` is set (`modelgate check` looks for it), and then follows
//! `xff_num_trusted_hops`. Or from `x-forwarded-for`, where proxies before us are trusted: each
//! appends the address that it saw, so with n trusted proxies the n-th entry from the right was
//! written by one of them, and everything left of it by whoever likes. An address is cut to a
//! prefix before it counts, because a client of IPv6 has 2^64 addresses and more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use modelgate_kit::headers::HeaderBlock;

/// How many leading bits of an address tell clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Of an IPv4 address, 1 to 32.
    pub ipv4_bits: u32,
    /// Of an IPv6 address, 1 to 128.
    pub ipv6_bits: u32,
}

impl Prefix {
    /// The address with all later bits zero.
    pub fn cut(self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(
                v4.to_bits()
                    & u32::MAX
                        .checked_shl(32_u32.saturating_sub(self.ipv4_bits))
                        .unwrap_or(0),
            )),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(
                v6.to_bits()
                    & u128::MAX
                        .checked_shl(128_u32.saturating_sub(self.ipv6_bits))
                        .unwrap_or(0),
            )),
        }
    }
}

/// Reads an address with or without port: `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]`, `[::1]:80`.
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || {
        text.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text)
            .parse()
            .ok()
    };
    text.parse::<SocketAddr>()
        .map(|socket| socket.ip())
        .ok()
        .or_else(bare)
}

/// The address that the outermost of so many trusted proxies saw. `None` where fewer have written,
/// or something else than an address.
pub fn forwarded(headers: &HeaderBlock, trusted_hops: usize) -> Option<IpAddr> {
    let values: Vec<&[u8]> = headers.all("x-forwarded-for").collect();
    let entry = values
        .iter()
        .rev()
        .flat_map(|value| value.rsplit(|byte| *byte == b','))
        .nth(trusted_hops.checked_sub(1)?)?;
    parse(std::str::from_utf8(entry).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(values: &[&str], hops: usize) -> Option<String> {
        let block = HeaderBlock::from_pairs(
            values
                .iter()
                .map(|value| (&b"X-Forwarded-For"[..], value.as_bytes())),
        );
        forwarded(&block, hops).map(|address| address.to_string())
    }

    #[test]
    fn the_entry_that_a_trusted_proxy_wrote_is_taken() {
        let values = ["6.6.6.6, 1.2.3.4", "10.0.0.1 , [2001:db8::1]:443"];
        assert_eq!(seen(&values, 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(seen(&values, 2).as_deref(), Some("10.0.0.1"));
        assert_eq!(seen(&values, 3).as_deref(), Some("1.2.3.4"));
        assert_eq!(seen(&values, 4).as_deref(), Some("6.6.6.6"));
        assert_eq!(seen(&values, 5), None);
        assert_eq!(seen(&values, 0), None);
        assert_eq!(seen(&["unknown"], 1), None);
        assert_eq!(seen(&["1.2.3.4,"], 1), None);
    }

    #[test]
    fn addresses_are_read_with_and_without_port() {
        for (text, address) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:8080", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:80", "::1"),
        ] {
            assert_eq!(
                parse(text).map(|address| address.to_string()).as_deref(),
                Some(address),
                "{text}"
            );
        }
        for text in [
            "",
            "localhost",
            "1.2.3",
            "1.2.3.4:99999",
            "[1.2.3.4",
            "::1%eth0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_cut_to_their_prefix() {
        let prefix = Prefix {
            ipv4_bits: 24,
            ipv6_bits: 64,
        };
        for (address, cut) in [
            ("10.1.2.3", "10.1.2.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:10.1.2.3", "10.1.2.0"),
        ] {
            assert_eq!(prefix.cut(parse(address).unwrap()).to_string(), cut);
        }
        let whole = Prefix {
            ipv4_bits: 32,
            ipv6_bits: 128,
        };
        assert_eq!(
            whole.cut(parse("10.1.2.3").unwrap()).to_string(),
            "10.1.2.3"
        );
        assert_eq!(
            whole.cut(parse("2001:db8::6").unwrap()).to_string(),
            "2001:db8::6"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}", near in "[\\[\\]0-9a-f:., ]{0,60}", hops in 0_usize..5) {
            parse(&text);
            seen(&[&near, &text], hops);
        }
    }
}
