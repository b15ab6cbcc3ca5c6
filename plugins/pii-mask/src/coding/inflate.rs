//! gzip (RFC 1952), and deflate (RFC 1950, and bare RFC 1951 as some clients send it).

use super::{Broken, STEP};
use miniz_oxide::inflate::stream::{InflateState, MinReset, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// Longest head of a gzip member, in bytes.
const LONGEST_HEAD: usize = 1024;

/// Which part of a coding comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Body,
    /// Of gzip, behind the data.
    Checksum,
    /// Nothing may follow.
    End,
}

/// Decodes gzip, or deflate.
pub struct Inflate {
    is_gzip: bool,
    part: Part,
    /// The first bytes of a head or checksum.
    held: Vec<u8>,
    members: usize,
    state: Box<InflateState>,
    /// What has been decoded last.
    step: Vec<u8>,
    checksum: crc32fast::Hasher,
    length: u32,
}

impl core::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inflate")
            .field("is_gzip", &self.is_gzip)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

impl Inflate {
    /// Of one of the two.
    pub fn of(is_gzip: bool) -> Self {
        Self {
            is_gzip,
            part: Part::Head,
            held: Vec::new(),
            members: 0,
            state: InflateState::new_boxed(DataFormat::Raw),
            step: Vec::new(),
            checksum: crc32fast::Hasher::new(),
            length: 0,
        }
    }

    /// Takes the next bytes and adds what they decode to; `out` never has more than `most` bytes.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn push(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.part {
                Part::Head => self.head(rest)?,
                Part::Body => self.body(rest, most, out)?,
                Part::Checksum => self.checksum(rest)?,
                Part::End => return Err(Broken::Malformed),
            };
        }
        Ok(())
    }

    /// Whether it is complete.
    pub fn is_whole(&self) -> bool {
        match self.part {
            Part::End => true,
            // Behind a member of gzip another may follow.
            Part::Head => self.members > 0 && self.held.is_empty(),
            Part::Body | Part::Checksum => false,
        }
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        let before = self.held.len();
        let most = LONGEST_HEAD.saturating_sub(before);
        self.held.extend(bytes.iter().take(most));
        let length = match self.is_gzip {
            true => gzip_head(&self.held)?,
            false => (self.held.len() >= 2).then_some(0),
        };
        let Some(length) = length else {
            return match self.held.len() >= LONGEST_HEAD {
                true => Err(Broken::Malformed),
                false => Ok(b""),
            };
        };
        match (self.is_gzip, self.held.as_slice()) {
            (false, [method, flags, ..]) if is_zlib(*method, *flags) => {
                self.state.reset(DataFormat::Zlib);
            }
            _ => self.state.reset_as(MinReset),
        }
        self.checksum = crc32fast::Hasher::new();
        (self.length, self.part) = (0, Part::Body);
        // Deflate has no head of its own: what was held before is data.
        self.held.truncate(if self.is_gzip { 0 } else { before });
        let own = length.saturating_sub(before);
        Ok(bytes.get(own..).unwrap_or_default())
    }

    fn body<'a>(
        &mut self,
        bytes: &'a [u8],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], Broken> {
        // The first byte of deflate, where it came by itself.
        let held = core::mem::take(&mut self.held);
        if !held.is_empty() {
            let left = self.inflate(&held, most, out)?;
            if !left.is_empty() {
                return Err(Broken::Malformed);
            }
        }
        self.inflate(bytes, most, out)
    }

    /// Decodes until the data or the bytes end; gives what is left of these.
    fn inflate<'a>(
        &mut self,
        bytes: &'a [u8],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], Broken> {
        let mut rest = bytes;
        self.step.resize(STEP, 0);
        loop {
            let result = inflate(&mut self.state, rest, &mut self.step, MZFlush::None);
            rest = rest.get(result.bytes_consumed..).unwrap_or_default();
            let decoded = self.step.get(..result.bytes_written).unwrap_or_default();
            if out.len().saturating_add(decoded.len()) > most {
                return Err(Broken::TooLarge);
            }
            out.extend_from_slice(decoded);
            if self.is_gzip {
                self.checksum.update(decoded);
                let more = u32::try_from(decoded.len()).unwrap_or(u32::MAX);
                self.length = self.length.wrapping_add(more);
            }
            match result.status {
                Ok(MZStatus::StreamEnd) => {
                    self.part = match self.is_gzip {
                        true => Part::Checksum,
                        false => Part::End,
                    };
                    return Ok(rest);
                }
                // A full step may have left something that needs no more bytes.
                Ok(_) if rest.is_empty() && decoded.len() < STEP => return Ok(rest),
                Ok(_) if result.bytes_consumed > 0 || !decoded.is_empty() => {}
                // It waits for more bytes.
                Err(MZError::Buf) if rest.is_empty() => return Ok(rest),
                _ => return Err(Broken::Malformed),
            }
        }
    }

    /// CRC-32 and length behind a member (RFC 1952 section 2.3.1).
    fn checksum<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        let missing = 8_usize.saturating_sub(self.held.len()).min(bytes.len());
        let (own, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, b""));
        self.held.extend_from_slice(own);
        let Ok(told) = <[u8; 8]>::try_from(self.held.as_slice()) else {
            return Ok(rest);
        };
        self.held.clear();
        let checksum = core::mem::take(&mut self.checksum).finalize();
        let right = u64::from(self.length) << 32 | u64::from(checksum);
        if u64::from_le_bytes(told) != right {
            return Err(Broken::Malformed);
        }
        self.part = Part::Head;
        self.members = self.members.saturating_add(1);
        Ok(rest)
    }
}

/// RFC 1950 section 2.2: method 8, a window of 32 KiB at most, the check bits, no dictionary.
const fn is_zlib(method: u8, flags: u8) -> bool {
    let check = u16::from_be_bytes([method, flags]);
    method & 0x0F == 8 && method >> 4 <= 7 && flags & 0x20 == 0 && check.is_multiple_of(31)
}

/// Length of the head that a gzip member begins with (RFC 1952 section 2.3); nothing while it is
/// not whole.
fn gzip_head(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    const MAGIC: [u8; 3] = [0x1F, 0x8B, 8];
    let begins = bytes
        .iter()
        .zip(MAGIC)
        .all(|(byte, wanted)| *byte == wanted);
    // Bits that are reserved must be zero.
    let flags = bytes.get(3).copied().unwrap_or_default();
    if !begins || flags & 0xE0 != 0 {
        return Err(Broken::Malformed);
    }
    let mut at = 10_usize;
    if flags & 4 != 0 {
        let Some([low, high]) = bytes.get(at..at.saturating_add(2)) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        at = at.saturating_add(2).saturating_add(length);
    }
    // A name and a comment, each up to its zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let text = bytes.get(at..).unwrap_or_default();
            let Some(length) = memchr::memchr(0, text) else {
                return Ok(None);
            };
            at = at.saturating_add(length).saturating_add(1);
        }
    }
    if flags & 2 != 0 {
        at = at.saturating_add(2);
    }
    Ok((bytes.len() >= at).then_some(at))
}
