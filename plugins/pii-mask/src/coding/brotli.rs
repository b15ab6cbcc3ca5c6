//! Brotli (RFC 7932), with windows of 4 MiB at most.

use super::{Broken, STEP};
use brotli_decompressor::{Allocator, SliceWrapper, SliceWrapperMut};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState};

type State = BrotliState<Heap, Heap, Heap>;

/// The largest window, in bits.
const MOST_WINDOW_BITS: u32 = 22;

/// Decodes one body.
pub struct Brotli {
    state: Box<State>,
    /// Its first byte, from which the size of the window is told, has been read.
    begun: bool,
    ended: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        Self {
            state: Box::new(State::new_strict(Heap, Heap, Heap)),
            begun: false,
            ended: false,
        }
    }
}

impl core::fmt::Debug for Brotli {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Brotli")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Brotli {
    /// Takes the next bytes and adds what they decode to; `out` never has more than `most` bytes.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn push(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
        let Some(first) = bytes.first() else {
            return Ok(());
        };
        if !core::mem::replace(&mut self.begun, true) && window_bits(*first) > MOST_WINDOW_BITS {
            return Err(Broken::TooLarge);
        }
        let mut step = [0; STEP];
        let (mut left, mut at) = (bytes.len(), 0);
        loop {
            if self.ended {
                return match left {
                    0 => Ok(()),
                    _ => Err(Broken::Malformed),
                };
            }
            let (mut room, mut written, mut total) = (STEP, 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                bytes,
                &mut room,
                &mut written,
                &mut step,
                &mut total,
                &mut self.state,
            );
            let decoded = step.get(..written).unwrap_or_default();
            if out.len().saturating_add(decoded.len()) > most {
                return Err(Broken::TooLarge);
            }
            out.extend_from_slice(decoded);
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultFailure => return Err(Broken::Malformed),
            }
        }
    }

    /// Whether it is complete.
    pub const fn is_whole(&self) -> bool {
        self.ended
    }
}

/// The size of the window by the first byte (RFC 7932 section 9.1). The form with more bits is no
/// brotli.
const fn window_bits(first: u8) -> u32 {
    let (low, high) = (first & 1, (first >> 1) & 7);
    match (low, high) {
        (0, _) => 16,
        (_, 0) => match (first >> 4) & 7 {
            0 => 17,
            1 => u32::MAX,
            bits => 8 + bits as u32,
        },
        _ => 17 + high as u32,
    }
}

/// Where the decoder's memory comes from.
struct Heap;

/// Some of it.
struct Cells<T>(Box<[T]>);

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T> SliceWrapper<T> for Cells<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Cells<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = Cells<T>;

    fn alloc_cell(&mut self, length: usize) -> Cells<T> {
        Cells(vec![T::default(); length].into())
    }

    fn free_cell(&mut self, _: Cells<T>) {}
}
