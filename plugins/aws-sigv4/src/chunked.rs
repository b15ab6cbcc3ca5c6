//! A body that is signed while it streams, piece by piece: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`,
//! which S3 takes.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
//!
//! Each piece is sent with its length and a signature that covers the one before it, so that none
//! can be left out, changed or moved. The length of the whole is announced, so it must be known
//! when the request begins.

use std::rc::Rc;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::common::HOST_REFUSED;

use crate::date::AmzDate;
use crate::sign::Signer;

/// Bytes of each piece but the last (at least 8 KiB, as S3 asks for).
const PIECE: usize = 65_536;
/// What a piece adds to its bytes and the digits of its length: `;chunk-signature=`, the signature
/// and two line breaks.
const FRAME: usize = 17 + 64 + 4;

/// The length of the body as it is sent, of one with so many bytes.
pub fn sent_length(length: usize) -> usize {
    let (whole, rest) = (length / PIECE, length % PIECE);
    let piece = |bytes: usize| digits(bytes).saturating_add(FRAME).saturating_add(bytes);
    let last = if rest > 0 { piece(rest) } else { 0 };
    whole
        .saturating_mul(piece(PIECE))
        .saturating_add(last)
        .saturating_add(piece(0))
}

fn digits(number: usize) -> usize {
    format!("{number:x}").len()
}

/// What cuts a body into pieces and signs them.
pub struct Pieces {
    signer: Rc<Signer>,
    date: AmzDate,
    /// The signature before the next one.
    before: [u8; 64],
    pending: Vec<u8>,
    /// Bytes of the body that have not come yet.
    left: usize,
}

impl Pieces {
    /// Pieces of a body with so many bytes, after the signature of its request.
    pub fn new(signer: Rc<Signer>, date: AmzDate, before: [u8; 64], length: usize) -> Self {
        Self {
            signer,
            date,
            before,
            pending: Vec::new(),
            left: length,
        }
    }

    /// Takes bytes of the body; what is to be sent of it now. With the last byte comes the end.
    /// None where there are more than were announced.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.left = self.left.checked_sub(bytes.len())?;
        let mut out = Vec::with_capacity(bytes.len().saturating_add(256));
        self.pending.extend_from_slice(bytes);
        while self.pending.len() >= PIECE || (self.left == 0 && !self.pending.is_empty()) {
            let rest = self.pending.split_off(self.pending.len().min(PIECE));
            let piece = std::mem::replace(&mut self.pending, rest);
            self.write(&piece, &mut out);
        }
        if self.left == 0 {
            self.write(b"", &mut out);
        }
        Some(out)
    }

    /// Whether bytes are still to come.
    pub const fn is_open(&self) -> bool {
        self.left > 0
    }

    fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.before = self
            .signer
            .signature_of_piece(piece, &self.before, self.date);
        out.extend_from_slice(format!("{:x};chunk-signature=", piece.len()).as_bytes());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

/// Sends the body in signed pieces as it comes.
///
/// # Errors
/// A refusal where the body is not as long as was announced, or the host does not take the pieces.
pub async fn stream(
    exchange: &Exchange,
    mut pieces: Pieces,
    sent_length: usize,
) -> Result<(), Reply> {
    let rewrite = exchange.request().rewrite()?;
    exchange
        .request()
        .set_header("content-length", sent_length.to_string())?;
    while pieces.is_open() {
        let chunk = rewrite.chunk().await;
        let Some(chunk) = chunk.map_err(|_| Reply::new(&HOST_REFUSED))? else {
            // The client has gone in the middle of it; what was sent is not whole either.
            return Ok(());
        };
        let out = pieces.take(&chunk);
        rewrite.write(&out.ok_or_else(|| Reply::new(&HOST_REFUSED))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::credentials::{Credentials, Scope};
    use crate::sign::Options;

    /// The example of S3's own documentation: 65 KiB of `a`, in pieces of 64 KiB.
    #[test]
    fn the_example_of_s3_is_signed_piece_by_piece() {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            None,
        );
        let scope = Scope::new("us-east-1".to_owned(), "s3".to_owned());
        let signer = Signer::new(credentials.unwrap(), scope.unwrap(), Options::default());
        let seed = b"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        // 2013-05-24T00:00:00Z
        let date = AmzDate::from_unix_nanos(1_369_353_600_000_000_000);
        let mut pieces = Pieces::new(Rc::new(signer), date, *seed, 66_560);
        let body = vec![b'a'; 66_560];
        let mut sent = Vec::new();
        for part in body.chunks(10_000) {
            assert!(pieces.is_open());
            sent.extend(pieces.take(part).unwrap());
        }
        assert!(!pieces.is_open());
        assert_eq!(sent.len(), 66_824, "as the example says");
        assert_eq!(sent.len(), sent_length(66_560));
        let text = String::from_utf8(sent).unwrap();
        for (length, signature) in [
            (
                "10000",
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            ),
            (
                "400",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            ),
            (
                "0",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ),
        ] {
            let head = format!("{length};chunk-signature={signature}\r\n");
            assert!(text.contains(&head), "{head}");
        }
    }

    #[test]
    fn the_length_is_known_before_the_body_is() {
        for length in [1, 15, 16, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let credentials =
                Credentials::new("A".to_owned(), Zeroizing::new("s".to_owned()), None);
            let scope = Scope::new("us-east-1".to_owned(), "s3".to_owned());
            let signer = Signer::new(credentials.unwrap(), scope.unwrap(), Options::default());
            let date = AmzDate::from_unix_nanos(0);
            let mut pieces = Pieces::new(Rc::new(signer), date, [b'0'; 64], length);
            let sent = pieces.take(&vec![0; length]).unwrap();
            assert_eq!(sent.len(), sent_length(length), "{length}");
            assert_eq!(pieces.take(b"x"), None, "more than was announced");
        }
    }
}
