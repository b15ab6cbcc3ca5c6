//! Amazon's binary event stream, `application/vnd.amazon.eventstream` (Smithy 2.0, "Amazon Event
//! Stream Specification").
//!
//! A message is its length and that of its headers (four bytes each, big-endian), a CRC-32 of
//! these, headers, payload, and a CRC-32 of all. A header is a name behind its length (one byte), a
//! type, and a value; those looked at are strings (type 7).

/// Bytes of a message besides headers and payload.
const FRAME: usize = 16;
const PRELUDE: usize = 12;
const STRING: u8 = 7;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    raw: &'a [u8],
    headers: &'a [u8],
    payload: &'a [u8],
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is longer than it may be.
    TooLong,
    /// A length or a checksum is wrong.
    Layout,
}

impl<'a> Message<'a> {
    /// The message at the front of these bytes; none if it is not whole yet.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn first(bytes: &'a [u8], max: usize) -> Result<Option<Self>, Broken> {
        let Some((prelude, _)) = bytes.split_first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let (lengths, checksum) = prelude.split_at_checked(8).ok_or(Broken::Layout)?;
        if number(checksum) != Some(crc32fast::hash(lengths)) {
            return Err(Broken::Layout);
        }
        let length = |at: usize| {
            let bytes = lengths.get(at..at.saturating_add(4))?;
            usize::try_from(number(bytes)?).ok()
        };
        let (total, headers) = (length(0), length(4));
        let (Some(total), Some(headers)) = (total, headers) else {
            return Err(Broken::Layout);
        };
        if total > max {
            return Err(Broken::TooLong);
        }
        let payload = total
            .checked_sub(FRAME)
            .and_then(|inside| inside.checked_sub(headers))
            .ok_or(Broken::Layout)?;
        let Some(raw) = bytes.get(..total) else {
            return Ok(None);
        };
        let (checked, checksum) = raw
            .split_at_checked(total.saturating_sub(4))
            .ok_or(Broken::Layout)?;
        if number(checksum) != Some(crc32fast::hash(checked)) {
            return Err(Broken::Layout);
        }
        let inside = checked.get(PRELUDE..).ok_or(Broken::Layout)?;
        let (headers, payload) = inside
            .split_at_checked(inside.len().saturating_sub(payload))
            .ok_or(Broken::Layout)?;
        Ok(Some(Self {
            raw,
            headers,
            payload,
        }))
    }

    /// Its bytes.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Its headers as they are written.
    pub const fn headers(&self) -> &'a [u8] {
        self.headers
    }

    /// Its payload.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// A header that is a string.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.headers;
        while let [length, after @ ..] = rest {
            let (own, after) = after.split_at_checked(usize::from(*length))?;
            let (kind, after) = after.split_first()?;
            let (length, after) = match *kind {
                0 | 1 => (0, after),
                2 => (1, after),
                3 => (2, after),
                4 => (4, after),
                5 | 8 => (8, after),
                9 => (16, after),
                6 | STRING => {
                    let (length, after) = after.split_first_chunk::<2>()?;
                    (usize::from(u16::from_be_bytes(*length)), after)
                }
                _ => return None,
            };
            let (value, after) = after.split_at_checked(length)?;
            if own == name.as_bytes() && *kind == STRING {
                return core::str::from_utf8(value).ok();
            }
            rest = after;
        }
        None
    }
}

/// A message with these headers and this payload.
pub fn write(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = headers
        .len()
        .saturating_add(payload.len())
        .saturating_add(FRAME);
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut message = Vec::with_capacity(total);
    message.extend_from_slice(&length(total));
    message.extend_from_slice(&length(headers.len()));
    let checksum = crc32fast::hash(&message);
    message.extend_from_slice(&checksum.to_be_bytes());
    message.extend_from_slice(headers);
    message.extend_from_slice(payload);
    let checksum = crc32fast::hash(&message);
    message.extend_from_slice(&checksum.to_be_bytes());
    message
}

/// A message that tells of an error which no service has modelled.
pub fn error(code: &str, message: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":message-type", "error"),
        (":error-code", code),
        (":error-message", message),
    ] {
        headers.push(u8::try_from(name.len()).unwrap_or_default());
        headers.extend_from_slice(name.as_bytes());
        headers.push(STRING);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    write(&headers, b"")
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// Read by botocore's `EventStreamBuffer`.
    const CHUNK: &str = "AAAApwAAAFdSKli4CzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6Ik1haWwgYW5uQGV4YSJ9LCJwIjoiYWIifbN9yuc=";

    #[test]
    fn a_message_is_read_and_written_as_it_was() {
        let bytes = STANDARD.decode(CHUNK).unwrap();
        let message = Message::first(&bytes, 1000).unwrap().unwrap();
        assert_eq!(message.header(":event-type"), Some("contentBlockDelta"));
        assert_eq!(message.header(":message-type"), Some("event"));
        assert_eq!(message.header(":other"), None);
        assert!(message.payload().starts_with(b"{\"contentBlockIndex\""));
        assert_eq!(write(message.headers(), message.payload()), bytes);
    }

    #[test]
    fn what_is_broken_is_told_and_what_is_not_whole_waited_for() {
        let bytes = STANDARD.decode(CHUNK).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(Message::first(&bytes[..length], 1000), Ok(None), "{length}");
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert_eq!(Message::first(&broken, 1000), Err(Broken::Layout), "{at}");
        }
        assert_eq!(Message::first(&bytes, 100), Err(Broken::TooLong));
        // Headers longer than the message.
        let mut lie = [0, 0, 0, 16, 0, 0, 0, 1].to_vec();
        lie.extend(crc32fast::hash(&lie).to_be_bytes());
        lie.extend(crc32fast::hash(&lie).to_be_bytes());
        assert_eq!(Message::first(&lie, 1000), Err(Broken::Layout));
    }

    #[test]
    fn an_error_is_a_message() {
        let bytes = error("answer_blocked", "It may not pass.");
        let message = Message::first(&bytes, 1000).unwrap().unwrap();
        assert_eq!(message.header(":error-code"), Some("answer_blocked"));
        assert_eq!(message.payload(), b"");
    }
}
