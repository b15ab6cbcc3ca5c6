//! Content codings (RFC 9110 section 8.4): gzip, deflate and zstd, and brotli where it is built in,
//! decoded as the bytes arrive.
//!
//! What is decoded is bounded by the caller, push for push. A decoder keeps what its coding may
//! refer back to (32 KiB of gzip and deflate, up to 4 MiB of brotli and 8 MiB of zstd), and nothing
//! else. What ends early, has a wrong checksum or something behind its end is malformed: what
//! receivers might read in different ways is not decoded.

#[cfg(feature = "brotli")]
mod brotli;
mod inflate;
mod zstd;

use inflate::Inflate;
use zstd::Zstd;

use modelgate_kit::headers::HeaderBlock;

/// A coding that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`.
    Deflate,
    /// `zstd`.
    Zstd,
    /// `br`.
    #[cfg(feature = "brotli")]
    Brotli,
}

/// Most codings of one message.
const MOST_CODINGS: usize = 3;
/// How much is decoded at a time, in bytes.
const STEP: usize = 16_384;

/// What the headers say of a body's codings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codings {
    /// These, in the order in which they were applied; none where the body is as it is.
    Known(Vec<Coding>),
    /// One that cannot be decoded, or too many.
    Unknown,
}

impl Codings {
    /// Of what has none.
    pub const fn none() -> Self {
        Self::Known(Vec::new())
    }

    /// Reads `content-encoding`.
    pub fn of(headers: &HeaderBlock) -> Self {
        Self::named(headers, "content-encoding")
    }

    /// Reads a header that lists codings.
    pub fn named(headers: &HeaderBlock, header: &str) -> Self {
        let mut known = Vec::new();
        for line in headers.all(header) {
            for name in line.split(|byte| *byte == b',') {
                let name = name.trim_ascii().to_ascii_lowercase();
                match name.as_slice() {
                    b"" | b"identity" => {}
                    b"gzip" | b"x-gzip" => known.push(Coding::Gzip),
                    b"deflate" => known.push(Coding::Deflate),
                    b"zstd" => known.push(Coding::Zstd),
                    #[cfg(feature = "brotli")]
                    b"br" => known.push(Coding::Brotli),
                    _ => return Self::Unknown,
                }
            }
        }
        match known.len() <= MOST_CODINGS {
            true => Self::Known(known),
            false => Self::Unknown,
        }
    }

    /// Whether the body is not as it is.
    pub fn is_encoded(&self) -> bool {
        !matches!(self, Self::Known(known) if known.is_empty())
    }

    /// What decodes them; none where there is nothing to decode, or something that cannot be.
    pub fn decoder(&self) -> Option<Decoder> {
        match self {
            Self::Known(known) if !known.is_empty() => Some(Decoder {
                stages: known
                    .iter()
                    .rev()
                    .map(|coding| Stage::of(*coding))
                    .collect(),
            }),
            _ => None,
        }
    }
}

/// Why something cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is not what its coding says.
    Malformed,
    /// It is longer than it may be.
    TooLarge,
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    stages: Vec<Stage>,
}

impl Decoder {
    /// Takes the next bytes and gives what they decode to, `most` bytes at most.
    ///
    /// # Errors
    /// [`Broken`]; nothing can be decoded any more.
    pub fn push(&mut self, bytes: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = std::borrow::Cow::Borrowed(bytes);
        for stage in &mut self.stages {
            let mut out = Vec::new();
            stage.push(&bytes, most, &mut out)?;
            bytes = out.into();
        }
        Ok(bytes.into_owned())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// It is not complete.
    pub fn finish(&self) -> Result<(), Broken> {
        let whole = self.stages.iter().all(Stage::is_whole);
        whole.then_some(()).ok_or(Broken::Malformed)
    }

    /// Decodes a whole body.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn whole(mut self, bytes: &[u8], most: usize) -> Result<Vec<u8>, Broken> {
        let decoded = self.push(bytes, most)?;
        self.finish()?;
        Ok(decoded)
    }
}

/// One of several codings.
#[derive(Debug)]
enum Stage {
    Inflate(Inflate),
    Zstd(Box<Zstd>),
    #[cfg(feature = "brotli")]
    Brotli(brotli::Brotli),
}

impl Stage {
    fn of(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Inflate(Inflate::of(true)),
            Coding::Deflate => Self::Inflate(Inflate::of(false)),
            Coding::Zstd => Self::Zstd(Box::default()),
            #[cfg(feature = "brotli")]
            Coding::Brotli => Self::Brotli(brotli::Brotli::default()),
        }
    }

    fn push(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Inflate(stage) => stage.push(bytes, most, out),
            Self::Zstd(stage) => stage.push(bytes, most, out),
            #[cfg(feature = "brotli")]
            Self::Brotli(stage) => stage.push(bytes, most, out),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Inflate(stage) => stage.is_whole(),
            Self::Zstd(stage) => stage.is_whole(),
            #[cfg(feature = "brotli")]
            Self::Brotli(stage) => stage.is_whole(),
        }
    }
}

#[cfg(test)]
mod tests;
