//! Reads the caller's trace identity from the `traceparent` header (W3C Trace Context, section
//! 3.2).
//!
//! An invalid header is no header: tracing never fails a request, and an identity that cannot be
//! read is not guessed.

/// The identity that a caller gave the request in its distributed trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// 16 bytes, not all zero.
    pub trace_id: u128,
    /// 8 bytes, not all zero: the caller's span.
    pub span_id: u64,
    /// Bit 0: the caller records this trace.
    pub flags: u8,
}

impl TraceParent {
    /// Parses the one value of `traceparent`; `None` for everything that the standard calls
    /// invalid. A later version is read by its first 55 characters, as section 4.3 asks.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(55)?;
        let [version, trace_id, span_id, flags] = fields(head)?;
        let version = parse_hex(version)?;
        let later_version_goes_on = version > 0 && rest.first() == Some(&b'-');
        if version == 0xff || !(rest.is_empty() || later_version_goes_on) {
            return None;
        }
        let trace_id = parse_hex(trace_id).filter(|id| *id != 0)?;
        let span_id = parse_hex(span_id)
            .and_then(|id| u64::try_from(id).ok())
            .filter(|id| *id != 0)?;
        let flags = parse_hex(flags).and_then(|flags| u8::try_from(flags).ok())?;
        Some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// The trace's identity as 32 lower-case hexadecimal digits.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The caller's span as 16 lower-case hexadecimal digits.
    pub fn span_id_hex(&self) -> String {
        format!("{:016x}", self.span_id)
    }
}

/// The four fields of `vv-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff`.
fn fields(head: &[u8]) -> Option<[&[u8]; 4]> {
    let mut parts = head.split(|byte| *byte == b'-');
    let fields = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let lengths = fields.map(<[u8]>::len);
    (parts.next().is_none() && lengths == [2, 32, 16, 2]).then_some(fields)
}

/// Lower-case hexadecimal digits only: the standard refuses upper case.
fn parse_hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
            _ => return None,
        };
        value.checked_mul(16)?.checked_add(u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_header_gives_its_parts() {
        let parent = TraceParent::parse(VALID.as_bytes()).unwrap();
        assert_eq!(parent.trace_id_hex(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(parent.span_id_hex(), "b7ad6b7169203331");
        assert_eq!(parent.flags, 1);
    }

    #[test]
    fn a_later_version_is_read_by_its_first_fields() {
        let later = VALID.replacen("00-", "cc-", 1);
        assert_eq!(
            TraceParent::parse(later.as_bytes()),
            TraceParent::parse(VALID.as_bytes())
        );
        let longer = format!("{later}-what-the-future-brings");
        assert_eq!(
            TraceParent::parse(longer.as_bytes()),
            TraceParent::parse(VALID.as_bytes())
        );
        assert_eq!(TraceParent::parse(format!("{later}.x").as_bytes()), None);
    }

    #[test]
    fn what_the_standard_calls_invalid_is_none() {
        for value in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_identity_is_read_back(trace_id in 1u128.., span_id in 1u64.., flags: u8) {
            let parent = TraceParent { trace_id, span_id, flags };
            let header = format!("00-{}-{}-{flags:02x}", parent.trace_id_hex(), parent.span_id_hex());
            prop_assert_eq!(TraceParent::parse(header.as_bytes()), Some(parent));
        }

        #[test]
        fn no_bytes_at_all_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(parent) = TraceParent::parse(&bytes) {
                prop_assert!(parent.trace_id != 0 && parent.span_id != 0);
            }
        }
    }
}
