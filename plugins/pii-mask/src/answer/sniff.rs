//! What an answer that is labelled as text looks like.

/// What it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Server-sent events.
    Events,
    /// Lines of JSON, perhaps each behind a code (`0:"text"`, the Vercel AI SDK's data stream).
    Lines,
    /// Text.
    Text,
}

/// The most that is waited for: what begins with more white space than this is text.
const MOST: usize = 256;
/// The most comments that are waited for: they keep a connection alive before the first event, but
/// a line of text can begin so too.
const MOST_COMMENTS: usize = 1024;

/// What the first bytes look like; none if more are needed.
pub fn sniff(bytes: &[u8], last: bool) -> Option<Looks> {
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut start = start.trim_ascii_start();
    let is_comment = start.starts_with(b":");
    let last = last || bytes.len() > if is_comment { MOST_COMMENTS } else { MOST };
    // What comes behind comments tells.
    while start.starts_with(b":") {
        match memchr::memchr2(b'\n', b'\r', start) {
            Some(end) => start = start.get(end..).unwrap_or_default().trim_ascii_start(),
            None if last => return Some(Looks::Text),
            None => return None,
        }
    }
    for field in [b"data:".as_slice(), b"event:", b"id:", b"retry:"] {
        if start.starts_with(field) {
            return Some(Looks::Events);
        }
        if field.starts_with(start) && !last {
            return None;
        }
    }
    if is_comment {
        return Some(Looks::Text);
    }
    match start {
        [b'{', rest @ ..] => match rest.trim_ascii_start() {
            [] if !last => None,
            [b'"' | b'}', ..] => Some(Looks::Lines),
            _ => Some(Looks::Text),
        },
        [first] | [first, b':'] if is_code(*first) && !last => None,
        _ if code(start).is_some() => Some(Looks::Lines),
        _ => Some(Looks::Text),
    }
}

/// A line's code with its colon, and the JSON behind it.
pub fn code(line: &[u8]) -> Option<(&[u8], &[u8])> {
    match line {
        [first, b':', b'"' | b'[' | b'{', ..] if is_code(*first) => line.split_at_checked(2),
        _ => None,
    }
}

const fn is_code(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (bytes, looks) in [
            (b"data: x".as_slice(), Some(Looks::Events)),
            (b": ping\n", None),
            (b": ping\n\n: ping\n\ndata: x", Some(Looks::Events)),
            (b":-)\n-----BEGIN", Some(Looks::Text)),
            (b": ping\n\n{\"a\"", Some(Looks::Text)),
            (b"dat", None),
            (b"date", Some(Looks::Text)),
            (b"0", None),
            (b"0:", None),
            (b"0:\"Hello\"", Some(Looks::Lines)),
            (b"0: \"Hello\"", Some(Looks::Text)),
            (b"{ ", None),
            (b"{\"a\"", Some(Looks::Lines)),
            (b"{a", Some(Looks::Text)),
            (b"Hello", Some(Looks::Text)),
            (b"", None),
        ] {
            assert_eq!(sniff(bytes, false), looks, "{}", bytes.escape_ascii());
        }
        assert_eq!(sniff(b"dat", true), Some(Looks::Text));
        assert_eq!(sniff(b": ping\n\n", true), Some(Looks::Text));
        assert_eq!(sniff(&[b' '; 300], false), Some(Looks::Text));
        assert_eq!(sniff(&[b':'; 300], false), None);
        assert_eq!(sniff(&[b':'; 5000], false), Some(Looks::Text));
    }
}
