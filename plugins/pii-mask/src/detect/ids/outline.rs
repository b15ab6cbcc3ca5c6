//! What the forms of a kind of number have in common, so that most kinds are told apart from a text
//! without reading their forms sign by sign.

use crate::detect::groups::separator;

/// What every form of a kind asks for; places are bits, the first letter or digit in the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Where only a digit may stand.
    digits: u32,
    /// Where only a letter may.
    letters: u32,
    /// Before what a separator must stand.
    divided: u32,
    /// Before what one may, in one of the forms.
    may: u32,
    /// Letters and digits of the shortest form.
    shortest: u32,
    /// Those of the longest.
    longest: u32,
}

/// The letters and digits of a text from a place on, at most 32 of them, with one separator or none
/// between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    digits: u32,
    letters: u32,
    divided: u32,
    length: u32,
}

impl Outline {
    const NOTHING: Self = Self {
        digits: 0,
        letters: 0,
        divided: 0,
        may: 0,
        shortest: 0,
        longest: 0,
    };
    const ANYTHING: Self = Self {
        may: u32::MAX,
        longest: u32::MAX,
        ..Self::NOTHING
    };

    /// That of forms as in [`super::schemes`].
    pub const fn of(forms: &str) -> Self {
        let mut all = Self {
            digits: u32::MAX,
            letters: u32::MAX,
            divided: u32::MAX,
            shortest: u32::MAX,
            ..Self::NOTHING
        };
        let mut one = Self::NOTHING;
        let mut rest = forms.as_bytes();
        loop {
            let (sign, behind) = match rest.split_first() {
                Some((sign, behind)) => (*sign, behind),
                None => (b'|', rest),
            };
            let place = place(one.longest);
            match sign {
                b'|' => {
                    all = all.or(one);
                    one = Self::NOTHING;
                    if rest.is_empty() {
                        return all;
                    }
                }
                b'd' | b'a' | b'x' => {
                    match sign {
                        b'd' => one.digits |= place,
                        b'a' => one.letters |= place,
                        _ => {}
                    }
                    one.longest = one.longest.saturating_add(1);
                    one.shortest = one.longest;
                }
                // Either a letter or a separator.
                b's' => return Self::ANYTHING,
                _ => {
                    one.may |= place;
                    if sign != b'~' {
                        one.divided |= place;
                    }
                }
            }
            rest = behind;
        }
    }

    const fn or(self, other: Self) -> Self {
        Self {
            digits: self.digits & other.digits,
            letters: self.letters & other.letters,
            divided: self.divided & other.divided,
            may: self.may | other.may,
            shortest: if self.shortest < other.shortest {
                self.shortest
            } else {
                other.shortest
            },
            longest: if self.longest > other.longest {
                self.longest
            } else {
                other.longest
            },
        }
    }

    /// Whether one of the forms may be what begins the text.
    pub const fn may_begin(&self, text: Written) -> bool {
        // Every form has these.
        let within = place(self.shortest).wrapping_sub(1);
        text.length >= self.shortest
            && self.digits & !text.digits == 0
            && self.letters & !text.letters == 0
            && self.divided & !text.divided == 0
            && text.divided & within & !self.may == 0
    }

    /// Whether one of the forms may be that of so many digits without anything between them, of
    /// which up to `lost` are missing in front.
    pub fn may_be_digits(&self, length: usize, lost: usize) -> bool {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let lost = u32::try_from(lost).unwrap_or(u32::MAX);
        self.letters == 0
            && self.divided == 0
            && self.shortest <= length.saturating_add(lost)
            && length <= self.longest
    }
}

impl Written {
    /// Reads what begins at `start`.
    pub fn read(bytes: &[u8], start: usize) -> Self {
        let mut text = Self {
            digits: 0,
            letters: 0,
            divided: 0,
            length: 0,
        };
        let mut rest = bytes.get(start..).unwrap_or_default();
        while text.length < u32::BITS {
            let place = place(text.length);
            let (length, byte) = match rest.first() {
                Some(byte) if byte.is_ascii_alphanumeric() => (1, byte),
                byte => {
                    let plus = (byte == Some(&b'+')).then_some((b'+', 1));
                    let Some((_, length)) = plus.or_else(|| separator(rest)) else {
                        break;
                    };
                    match rest.get(length) {
                        Some(byte) if byte.is_ascii_alphanumeric() => {
                            text.divided |= place;
                            (length.saturating_add(1), byte)
                        }
                        _ => break,
                    }
                }
            };
            match byte.is_ascii_digit() {
                true => text.digits |= place,
                false => text.letters |= place,
            }
            text.length = text.length.saturating_add(1);
            rest = rest.get(length..).unwrap_or_default();
        }
        text
    }
}

const fn place(at: u32) -> u32 {
    match 1_u32.checked_shl(at) {
        Some(place) => place,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::match_form;
    use super::super::schemes::SCHEMES;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_have_in_common_what_each_of_them_asks_for() {
        let outline = Outline::of("dd~ddd|a-dd");
        assert_eq!(outline.shortest, 3);
        assert_eq!(outline.longest, 5);
        assert_eq!((outline.digits, outline.letters), (0b110, 0));
        assert_eq!((outline.divided, outline.may), (0, 0b110));
        let may = |text: &str| outline.may_begin(Written::read(text.as_bytes(), 0));
        assert!(may("12-345") && may("12345") && may("A-12"));
        assert!(!may("12") && !may("1AB45"));
        let outline = Outline::of("ddd~ddd|dddd~dd");
        let may = |text: &str| outline.may_begin(Written::read(text.as_bytes(), 0));
        assert!(may("123 456") && may("1234-56 78") && !may("12 3456"));
        assert!(outline.may_be_digits(4, 2) && !outline.may_be_digits(7, 2));
    }

    /// A text made to one of the forms, and changed a little.
    fn text() -> impl Strategy<Value = String> {
        let forms: Vec<&str> = SCHEMES
            .iter()
            .flat_map(|scheme| scheme.forms.split('|'))
            .collect();
        (
            prop::sample::select(forms),
            prop::collection::vec(prop::sample::select(vec!['7', 'K', '-', ' ', '.']), 40),
            0..60_usize,
        )
            .prop_map(|(form, chance, change)| {
                let mut text = String::new();
                for (at, (sign, chance)) in form.chars().zip(chance).enumerate() {
                    match sign {
                        _ if at == change => text.push(chance),
                        'd' => text.push('4'),
                        'a' => text.push('B'),
                        'x' => text.push(if chance == 'K' { 'K' } else { '7' }),
                        's' => text.push('-'),
                        '~' if chance.is_ascii_alphanumeric() => {}
                        '~' => text.push(chance),
                        sign => text.push(sign),
                    }
                }
                text
            })
    }

    proptest! {
        #[test]
        fn no_form_that_fits_is_passed_over(text in text()) {
            let written = Written::read(text.as_bytes(), 0);
            for scheme in SCHEMES {
                let fits = scheme
                    .forms
                    .split('|')
                    .any(|form| match_form(text.as_bytes(), 0, form).is_some());
                prop_assert!(!fits || scheme.outline.may_begin(written), "{}", scheme.forms);
            }
        }
    }
}
