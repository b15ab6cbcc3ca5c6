//! How the length of a message is told in HTTP/1.1, and what Envoy's codec refuses of it, measured
//! with 1.40 (RFC 9112 section 6: a message never has both ways).

use super::headers::Headers;

const LENGTH: &str = "content-length";
const CODING: &str = "transfer-encoding";

/// Why the codec refuses a message with these headers, as status and details of a request's
/// refusal, if it does.
pub(crate) fn refused(headers: &Headers) -> Option<(u16, &'static str)> {
    let mut codings = headers.all(CODING);
    let mut lengths = headers.all(LENGTH);
    let (coding, length) = (codings.next(), lengths.next());
    if coding.is_some() && length.is_some() {
        return Some((400, "http1.content_length_and_chunked_not_allowed"));
    }
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some() || coding.is_some_and(|coding| !chunked(coding)) {
        return Some((501, "http1.invalid_transfer_encoding"));
    }
    let plain = |length: &[u8]| !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    let broken = lengths.next().is_some() || length.is_some_and(|length| !plain(length));
    broken.then_some((400, "http1.codec_error"))
}

/// Leaves one way of telling the length: a length that is known.
pub(crate) fn settle(headers: &mut Headers) {
    if headers.first(LENGTH).is_some() {
        headers.remove(CODING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().copied().collect()
    }

    #[test]
    fn a_message_tells_its_length_in_one_way() {
        let length = |value| (LENGTH, value);
        let coding = |value| (CODING, value);
        let both = Some((400, "http1.content_length_and_chunked_not_allowed"));
        let unknown = Some((501, "http1.invalid_transfer_encoding"));
        let broken = Some((400, "http1.codec_error"));
        for (headers, expected) in [
            (vec![], None),
            (vec![length("5")], None),
            (vec![coding("Chunked")], None),
            (vec![length("5"), coding("chunked")], both),
            (vec![coding("identity"), length("0")], both),
            (vec![coding("identity")], unknown),
            (vec![coding("gzip, chunked")], unknown),
            (vec![coding("chunked"), coding("chunked")], unknown),
            (vec![length("5"), length("5")], broken),
            (vec![length("+5")], broken),
            (vec![length("")], broken),
        ] {
            assert_eq!(refused(&of(&headers)), expected, "{headers:?}");
        }
        let mut headers = of(&[length("5"), coding("chunked")]);
        settle(&mut headers);
        assert_eq!(headers.len(), 1);
        let mut headers = of(&[coding("chunked")]);
        settle(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
