//! Digits that are nothing by the bytes beside them, sixty-four bytes at a time: cells of tables,
//! counts, values of parameters, fractions. Every verifier says the same of them, which a test
//! holds; they are just not asked.
//!
//! Each question is a number whose bits are the places of a block, of which only beginnings of
//! digits stay: `class << 1` are those behind a byte of a class. What stands outside of the block
//! is not known, and decides nothing.

use modelgate_kit::lanes::Lanes;

/// Numbers of a block that are worth a look at all of it.
const FEW: u32 = 3;

/// Digits of a block that begin nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle {
    /// Where they begin.
    pub starts: u64,
    /// Those of them that may begin cells of a table.
    pub cells: u64,
}

/// Beginnings of digits by how many there are, up to six.
struct Runs([u64; 6]);

impl Runs {
    fn of(digits: u64, starts: u64) -> Self {
        let mut longer = starts;
        let mut steps = [1, 2, 3, 4, 5, 6].into_iter();
        Self([(); 6].map(|()| {
            let all = longer;
            longer &= digits >> steps.next().unwrap_or_default();
            all & !longer
        }))
    }

    /// Those of up to four digits behind which, and behind so many bytes more, one of these is.
    #[inline]
    fn ahead(&self, class: u64, more: u32) -> u64 {
        let Self([one, two, three, four, ..]) = self;
        let class = class >> more;
        (one & class >> 1) | (two & class >> 2) | (three & class >> 3) | (four & class >> 4)
    }

    /// The same of five and six digits.
    #[inline]
    fn far_ahead(&self, class: u64) -> u64 {
        let Self([.., five, six]) = self;
        (five & class >> 5) | (six & class >> 6)
    }
}

impl Idle {
    /// Of these bytes; which are digits and letters is known.
    pub fn of(lanes: Lanes, digits: u64, letters: u64) -> Self {
        // Of the first byte it is not known what stands before it.
        let starts = digits & !(digits << 1) & !1;
        // Few numbers are asked about as quickly, and those in words are not told here.
        if (starts & !(letters << 1)).count_ones() < FEW {
            return Self::default();
        }
        // A value may be told behind these; others divide.
        let tells = lanes.are(b':') | lanes.are(b'=') | lanes.are(b'"') | lanes.are(b'\t');
        let tells = tells.bits();
        let divides = lanes.between(b'{', b'}') | lanes.are(b'[') | lanes.are(b']');
        let commas = (lanes.are(b',') | lanes.are(b';')).bits();
        let divides = divides.bits() | commas;
        let lines = lanes.are(b'\n').bits();
        let space = lanes.are(b' ').bits();
        let brackets = lanes.between(b'(', b')').bits();
        let points = lanes.are(b'.').bits();
        let signs = lanes.between(b'-', b'/').bits();
        let beyond = lanes.between(0x80, u8::MAX).bits();
        let returns = lanes.are(b'\r').bits();

        let runs = Runs::of(digits, starts);
        let Runs([one, two, three, four, ..]) = runs;
        let ends = divides | tells;
        // Behind a space no number goes on, and no card in the next line.
        let stops = !(digits | space | brackets | signs | beyond | lines | returns);
        let spaced = space & stops >> 1;
        // The same of digits in the next line.
        let line = lines & !digits >> 1;

        let in_front = (divides | tells | lines | brackets) << 1;
        let ended = runs.ahead(ends | line | spaced, 0);
        // A day or a year may stand beside the name of a month.
        let no_month = !(letters | digits | points | commas | beyond);
        let behind_month = space << 1 & !(no_month << 2) & !three;
        let before_month = (one | two) & runs.ahead(space, 0) & runs.ahead(letters, 1);
        let alone = (in_front | space << 1) & ended & !behind_month & !before_month;

        // Digits behind a point, and those before it, if that is a fraction and told by nothing.
        let places = starts & points << 1 & digits << 2;
        let places = places & (runs.ahead(ends | spaced, 0) | runs.far_ahead(ends | spaced));
        let whole = |places: u64| runs.ahead(points, 0) & runs.ahead(places, 1);
        let zeros = lanes.are(b'0').bits() & (two | three | four);
        let phone = three & whole(places & four);
        // Fewer characters than a password has.
        let short = whole(places & one)
            | ((one | two) & whole(places & two))
            | (one & whole(places & three));
        let apart = (divides | lines | brackets) << 1 | ((tells | space) << 1 & short);
        let fractions = whole(places) & apart & !zeros & !phone;

        let starts = alone | places | fractions;
        Self {
            starts,
            cells: cells(lanes, starts, space, lines | commas),
        }
    }
}

/// Which of these begin as cells do: see [`super::begins_cell`].
fn cells(lanes: Lanes, starts: u64, space: u64, divides: u64) -> u64 {
    if starts == 0 {
        return 0;
    }
    let divides = divides | (lanes.are(b'\t') | lanes.are(b'|')).bits();
    let between = space | (lanes.are(b'"') | lanes.are(b'+') | lanes.are(b'(')).bits();
    starts & (divides << 1 | (divides << 2 & between << 1))
}
