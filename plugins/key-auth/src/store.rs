//! Lists and texts that grow without being moved: a module's memory never shrinks, and a list that
//! is moved to grow needs it three times over.

/// Items in a block.
const ITEMS: usize = 512;
/// Bytes in a block of texts.
const BYTES: usize = 1 << 15;
/// Bytes before a text, which say how long it is.
const LENGTH: usize = 4;

/// A list in blocks.
#[derive(Debug)]
pub struct Blocks<T>(Vec<Vec<T>>);

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Blocks<T> {
    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.0.last_mut() {
            Some(block) if block.len() < ITEMS => block.push(item),
            Some(_) => {
                let mut block = Vec::with_capacity(ITEMS);
                block.push(item);
                self.0.push(block);
            }
            // The first block grows by itself: most lists are short.
            None => self.0.push(vec![item]),
        }
    }

    /// The item with this number.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at / ITEMS)?.get(at % ITEMS)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let full = self.0.len().saturating_sub(1).saturating_mul(ITEMS);
        full.saturating_add(self.0.last().map_or(0, Vec::len))
    }

    /// Gives back what the last block does not need.
    pub fn shrink(&mut self) {
        if let Some(block) = self.0.last_mut() {
            block.shrink_to_fit();
        }
    }
}

/// Where a text stands: block and byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// Texts in blocks, each behind its length.
#[derive(Debug, Default)]
pub struct Texts(Vec<Vec<u8>>);

impl Texts {
    /// Keeps a text. One that cannot be kept, which takes more memory than a module can have, is
    /// kept as empty.
    pub fn add(&mut self, text: &[u8]) -> Place {
        let needed = text.len().saturating_add(LENGTH);
        let fits = |block: &Vec<u8>| block.len().saturating_add(needed) <= BYTES;
        if !self.0.last().is_some_and(fits) {
            let room = if self.0.is_empty() {
                needed
            } else {
                needed.max(BYTES)
            };
            self.0.push(Vec::with_capacity(room));
        }
        let block = self.0.len().saturating_sub(1);
        let Some(bytes) = self.0.last_mut() else {
            return Place(u32::MAX);
        };
        let place = block.saturating_mul(BYTES).saturating_add(bytes.len());
        match (u32::try_from(place), u32::try_from(text.len())) {
            (Ok(place), Ok(length)) => {
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(text);
                Place(place)
            }
            _ => Place(u32::MAX),
        }
    }

    /// The text at a place.
    pub fn get(&self, place: Place) -> &[u8] {
        self.find(place).unwrap_or_default()
    }

    fn find(&self, Place(place): Place) -> Option<&[u8]> {
        let place = usize::try_from(place).ok()?;
        let from = self.0.get(place / BYTES)?.get(place % BYTES..)?;
        let (length, text) = from.split_first_chunk::<LENGTH>()?;
        text.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_are_found_where_they_were_put(lengths in prop::collection::vec(prop_oneof![0_usize..300, 30_000_usize..70_000], 0..80)) {
            let mut texts = Texts::default();
            let text = |at: usize, length: usize| vec![u8::try_from(at % 256).unwrap(); length];
            let places: Vec<Place> = lengths.iter().enumerate().map(|(at, length)| texts.add(&text(at, *length))).collect();
            for (at, (place, length)) in places.into_iter().zip(lengths).enumerate() {
                prop_assert_eq!(texts.get(place), text(at, length));
            }
        }

        #[test]
        fn items_are_found_by_their_number(count in 0_usize..2_000) {
            let mut list = Blocks::default();
            for at in 0..count {
                list.push(at);
            }
            list.shrink();
            prop_assert_eq!(list.len(), count);
            for at in 0..count + 2 {
                prop_assert_eq!(list.get(at).copied(), (at < count).then_some(at));
            }
        }
    }

    #[test]
    fn a_place_that_was_not_given_has_no_text() {
        let mut texts = Texts::default();
        texts.add(b"a");
        assert_eq!(texts.get(Place(u32::MAX)), b"");
    }
}
