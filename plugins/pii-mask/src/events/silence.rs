//! How long a text is waited for that is silent while others go on.

use super::EventMasker;
use crate::mask::{Masker, Tally};

/// How many events with pieces of other texts a text is waited for, and how many more for each of
/// these: then what waits of it goes, as the end of a model's reasoning does when the answer has
/// begun.
const MAX_SILENCE: u64 = 8;
const MORE_SILENCE: u64 = 2;
/// How often a word at the end of a text is looked at, which may be the front of an address, in
/// such events: while nothing but the same text of other choices goes on, it waits.
const MORE_SILENCE_OF_WORD: u64 = 4;
/// The same for what may be the front of a value, of strings that are perhaps no text. It goes only
/// where the same speaker has begun another text; what stands beside it, as other choices do,
/// waits. In what is known to be a text such a front is waited for however long it takes.
const MAX_SILENCE_OF_VALUE: u64 = 64;

impl EventMasker {
    /// Hands the events what has been decided on.
    pub(super) fn settle(&mut self, masker: &Masker, tally: &mut Tally) {
        let mut decided = Vec::new();
        let texts = u64::try_from(self.tracks.len()).unwrap_or(u64::MAX);
        let most = MORE_SILENCE
            .saturating_mul(texts)
            .saturating_add(MAX_SILENCE);
        let (mut values, mut words) = (Vec::new(), Vec::new());
        let several = self.tracks.len() > 1;
        for (id, track) in &mut self.tracks {
            let silent = self.heard.saturating_sub(track.heard);
            if silent > most && track.is_waiting() {
                if !track.may_begin_a_value(masker) {
                    if track.is_doubtful() || !track.ends_in_word() {
                        track.rest(masker, tally);
                    } else if track.comes_back() {
                        // It goes on as it has before, or ends.
                    } else if id.elements.is_empty() || !several {
                        track.rest(masker, tally);
                    } else if silent == most.saturating_add(1) || silent % MORE_SILENCE_OF_WORD == 0
                    {
                        words.push(id.clone());
                    }
                } else if track.is_doubtful() && silent % MAX_SILENCE_OF_VALUE == 0 {
                    values.push(id.clone());
                }
            }
            decided.extend(track.decided());
        }
        for id in words {
            let since = self.tracks.get(&id).map_or(0, |track| track.heard);
            let mut heard = self.tracks.iter().filter(|(_, one)| one.heard > since);
            let goes_on = heard.all(|(other, _)| other.is_parallel(&id));
            if let Some(track) = self.tracks.get_mut(&id).filter(|_| !goes_on) {
                track.rest(masker, tally);
                decided.extend(track.decided());
            }
        }
        for id in values {
            let since = self.tracks.get(&id).map_or(0, |track| track.heard);
            let succeeded = self
                .tracks
                .iter()
                .any(|(other, track)| track.heard > since && other.beside(&id));
            if let Some(track) = self.tracks.get_mut(&id).filter(|_| succeeded) {
                track.rest(masker, tally);
                decided.extend(track.decided());
            }
        }
        for piece in decided {
            self.decide(piece, masker, tally);
        }
    }
}
