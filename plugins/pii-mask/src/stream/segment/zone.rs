//! Machine-readable zones in a text that comes character by character: their lines stay together,
//! though breaks are within and between them.

use super::{Key, Segmenter};
use crate::detect::mrz::Lines;
use core::ops::Range;

impl Segmenter {
    /// Whether a machine-readable zone may have begun in the segment: its first `<` stands at `at`.
    pub(super) fn begins_zone(
        &mut self,
        buffer: &str,
        floor: usize,
        at: usize,
        character: char,
    ) -> bool {
        if character == '<' {
            let held = buffer.get(floor..at).unwrap_or_default();
            let lines = Lines::begin(held.chars().rev());
            self.key = lines.map(|lines| Key::Zone(at, lines));
        }
        self.key.is_some()
    }

    /// The next character behind what may be a zone. Where that has ended, all of it is read as
    /// anything is: a cut is possible behind its last line, or everywhere if it has none.
    pub(super) fn in_zone(
        &mut self,
        mut lines: Lines,
        from: usize,
        buffer: &str,
        floor: usize,
        span: Range<usize>,
    ) -> Option<usize> {
        let character = buffer.get(span.clone())?.chars().next()?;
        if lines.step(span.start, character) {
            self.key = Some(Key::Zone(from, lines));
            return None;
        }
        let from = from.max(floor);
        let mut cut = None;
        for (place, one) in buffer.get(from..span.end)?.char_indices() {
            let at = from.saturating_add(place);
            let next = self.step_by::<false>(buffer, cut.unwrap_or(floor), at, one);
            cut = next.or(cut);
        }
        cut.filter(|cut| lines.end().is_none_or(|end| end <= *cut))
    }
}
