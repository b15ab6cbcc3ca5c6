//! Values that repeat a text token by token.

use core::ops::Range;

use modelgate_kit::json::{Token, Walker};

/// Notices values of members named `logprobs` that are objects or arrays and hold text; nothing but
/// numbers repeats none.
#[derive(Debug, Default)]
pub struct Logprobs {
    /// Depth inside the value, and where it begins.
    open: Option<(usize, usize)>,
    /// There is a string or a name in it.
    has_text: bool,
    done: Option<Range<usize>>,
}

impl Logprobs {
    /// Whether the token that the walker has just given belongs to such a value.
    pub fn hold(&mut self, walker: &Walker<'_>, token: &Token<'_>) -> bool {
        let depth = walker.path().depth();
        match (self.open, token) {
            (None, Token::ObjectStart | Token::ArrayStart) => {
                let named = walker
                    .path()
                    .segments()
                    .rev()
                    .nth(1)
                    .is_some_and(|step| step.is_member("logprobs"));
                if named {
                    self.has_text = false;
                    self.open = Some((depth, walker.offset().saturating_sub(1)));
                }
                named
            }
            (None, _) => false,
            (Some((inside, start)), Token::ObjectEnd | Token::ArrayEnd) if depth < inside => {
                self.open = None;
                self.done = self.has_text.then(|| start..walker.offset());
                true
            }
            (Some(_), token) => {
                self.has_text |= matches!(token, Token::String(_) | Token::Key(_));
                true
            }
        }
    }

    /// The span of a value that has just ended.
    pub fn take(&mut self) -> Option<Range<usize>> {
        self.done.take()
    }
}
