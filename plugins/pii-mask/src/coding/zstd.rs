//! Zstandard (RFC 8878), as a content coding: windows of 8 MiB at most (RFC 9659), no dictionary.
//!
//! Frames are divided here, block by block, so that no more is decoded at a time than one block
//! (128 KiB at most). Frames that are to be skipped are refused: nobody sends any, and what is in
//! them is not looked at.

use super::{Broken, STEP};
use core::ops::Range;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read as _;

/// The first bytes of a frame.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The largest window, in bytes.
const MOST_WINDOW: u64 = 8 << 20;
/// The longest block, in bytes.
const MOST_BLOCK: usize = 128 << 10;
/// The head of a block.
const BLOCK_HEAD: usize = 3;
/// The checksum of a frame.
const CHECKSUM: usize = 4;

/// Decodes frames.
#[derive(Default)]
pub struct Zstd {
    held: Vec<u8>,
    /// Up to where that has been decoded.
    at: usize,
    frame: Option<Frame>,
    frames: usize,
}

struct Frame {
    decoder: FrameDecoder,
    has_checksum: bool,
    /// How much it says that it holds.
    size: Option<u64>,
    decoded: u64,
}

impl core::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Zstd")
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// What the head of a frame says.
struct Head {
    length: usize,
    has_checksum: bool,
    size: Option<u64>,
}

impl Zstd {
    /// Takes the next bytes and adds what they decode to; `out` never has more than `most` bytes.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn push(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.held.drain(..core::mem::take(&mut self.at));
        self.held.extend_from_slice(bytes);
        while self.step(most, out)? {}
        Ok(())
    }

    /// Whether it is complete.
    pub fn is_whole(&self) -> bool {
        self.frames > 0 && self.frame.is_none() && self.at == self.held.len()
    }

    /// Decodes a head or a block; false if more bytes are needed.
    fn step(&mut self, most: usize, out: &mut Vec<u8>) -> Result<bool, Broken> {
        let rest = self.held.get(self.at..).unwrap_or_default();
        let Some(frame) = &mut self.frame else {
            let Some(head) = head(rest)? else {
                return Ok(false);
            };
            let mut bytes = rest.get(..head.length).unwrap_or_default();
            let mut decoder = FrameDecoder::new();
            decoder.init(&mut bytes).map_err(|_| Broken::Malformed)?;
            self.at = self.at.saturating_add(head.length);
            self.frame = Some(Frame {
                decoder,
                has_checksum: head.has_checksum,
                size: head.size,
                decoded: 0,
            });
            return Ok(true);
        };
        let Some((length, is_last)) = block(rest)? else {
            return Ok(false);
        };
        let behind = if is_last && frame.has_checksum {
            CHECKSUM
        } else {
            0
        };
        let Some(mut block) = rest.get(..length.saturating_add(behind)) else {
            return Ok(false);
        };
        self.at = self.at.saturating_add(block.len());
        let strategy = BlockDecodingStrategy::UptoBlocks(1);
        let ended = frame.decoder.decode_blocks(&mut block, strategy);
        if ended.map_err(|_| Broken::Malformed)? != is_last {
            return Err(Broken::Malformed);
        }
        frame.take(most, out)?;
        if is_last {
            let sums = |decoder: &FrameDecoder| {
                let told = decoder.get_checksum_from_data();
                told.is_some() && told == decoder.get_calculated_checksum()
            };
            let right = !frame.has_checksum || sums(&frame.decoder);
            if !right || frame.size.is_some_and(|size| size != frame.decoded) {
                return Err(Broken::Malformed);
            }
            self.frame = None;
            self.frames = self.frames.saturating_add(1);
        }
        Ok(true)
    }
}

impl Frame {
    /// Adds what has been decoded and is not referred to any more.
    fn take(&mut self, most: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut step = [0; STEP];
        loop {
            let length = self
                .decoder
                .read(&mut step)
                .map_err(|_| Broken::Malformed)?;
            let decoded = step.get(..length).unwrap_or_default();
            if decoded.is_empty() {
                return Ok(());
            }
            if out.len().saturating_add(length) > most {
                return Err(Broken::TooLarge);
            }
            out.extend_from_slice(decoded);
            let more = u64::try_from(length).unwrap_or(u64::MAX);
            self.decoded = self.decoded.saturating_add(more);
        }
    }
}

/// The head of a frame (RFC 8878 section 3.1.1.1); nothing while it is not whole.
fn head(bytes: &[u8]) -> Result<Option<Head>, Broken> {
    if !bytes
        .iter()
        .zip(MAGIC)
        .all(|(byte, wanted)| *byte == wanted)
    {
        return Err(Broken::Malformed);
    }
    let Some(descriptor) = bytes.get(MAGIC.len()).copied() else {
        return Ok(None);
    };
    let is_single = descriptor & 0x20 != 0;
    // A bit that is reserved, and the id of a dictionary.
    if descriptor & 0x0B != 0 {
        return Err(Broken::Malformed);
    }
    let from = MAGIC.len().saturating_add(if is_single { 1 } else { 2 });
    let wide = match descriptor >> 6 {
        0 => usize::from(is_single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let length = from.saturating_add(wide);
    if bytes.len() < length {
        return Ok(None);
    }
    let size = size(bytes, from..length);
    let window = match bytes
        .get(MAGIC.len().saturating_add(1))
        .filter(|_| !is_single)
    {
        Some(written) => {
            let base = 1_u64 << (10 + (written >> 3));
            base.saturating_add((base >> 3).saturating_mul(u64::from(written & 7)))
        }
        None => size.unwrap_or_default(),
    };
    if window > MOST_WINDOW {
        return Err(Broken::TooLarge);
    }
    Ok(Some(Head {
        length,
        has_checksum: descriptor & 4 != 0,
        size,
    }))
}

/// How much a frame says that it holds; nothing where it does not.
fn size(bytes: &[u8], at: Range<usize>) -> Option<u64> {
    let wide = at.len();
    let written = bytes.get(at).filter(|written| !written.is_empty())?;
    let mut whole = [0; 8];
    whole.get_mut(..wide)?.copy_from_slice(written);
    let size = u64::from_le_bytes(whole);
    // Two bytes begin where one ends.
    Some(if wide == 2 {
        size.saturating_add(256)
    } else {
        size
    })
}

/// How long a block is with its head (RFC 8878 section 3.1.1.2), and whether it is the last one;
/// nothing while its head is not whole.
fn block(bytes: &[u8]) -> Result<Option<(usize, bool)>, Broken> {
    let Some(([a, b, c], _)) = bytes.split_first_chunk::<BLOCK_HEAD>() else {
        return Ok(None);
    };
    let head = u32::from_le_bytes([*a, *b, *c, 0]);
    let size = usize::try_from(head >> 3).map_err(|_| Broken::Malformed)?;
    let kind = (head >> 1) & 3;
    if size > MOST_BLOCK || kind == 3 {
        return Err(Broken::Malformed);
    }
    // One byte that is repeated.
    let written = if kind == 1 { 1 } else { size };
    Ok(Some((BLOCK_HEAD.saturating_add(written), head & 1 == 1)))
}
