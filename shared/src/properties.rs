//! Several properties of an exchange in one call to the proxy.
//!
//! Envoy's wasm host answers each question for a property by itself, at the price of some ten
//! thousand instructions. It can also keep an expression in CEL and evaluate it (foreign functions
//! `expr_create` and `expr_evaluate`): one that is a list of properties answers for all of them.
//! The list comes as a protobuf `google.protobuf.ListValue`: numbers are doubles, exact up to 2^53,
//! and times are texts such as `0.012s`. Here the answers become what the questions by themselves
//! would have given.

use crate::protobuf::take_field;

/// A property, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its path, of two parts or more.
    pub path: &'static [&'static str],
    /// It is a span of time, which is a number of nanoseconds when it is asked for by itself.
    pub is_duration: bool,
}

impl Wanted {
    /// A text or a number.
    pub const fn value(path: &'static [&'static str]) -> Self {
        Self {
            path,
            is_duration: false,
        }
    }

    /// A span of time.
    pub const fn duration(path: &'static [&'static str]) -> Self {
        Self {
            path,
            is_duration: true,
        }
    }
}

/// The name that Envoy makes expressions under.
pub const CREATE: &str = "expr_create";
/// The name that Envoy evaluates them under.
pub const EVALUATE: &str = "expr_evaluate";

/// An expression for these properties. What the proxy does not have is an empty text: an expression
/// with a member that is missing fails as a whole.
pub fn expression(wanted: &[Wanted]) -> String {
    let mut text = String::from("[");
    for (at, one) in wanted.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let path = one.path.join(".");
        for part in ["has(", &path, ")?", &path, ":''"] {
            text.push_str(part);
        }
    }
    text.push(']');
    text
}

/// The properties in an answer to [`expression`], each as it would have been by itself; nothing
/// where this is no such answer.
pub fn read(answer: &[u8], wanted: &[Wanted]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut rest = answer;
    let mut values = Vec::with_capacity(wanted.len());
    for one in wanted {
        let value = take_field(&mut rest, 0x0a)?;
        values.push(property(value, one.is_duration)?);
    }
    rest.is_empty().then_some(values)
}

/// One `google.protobuf.Value` as a property: nothing where the proxy does not have it.
fn property(value: &[u8], is_duration: bool) -> Option<Option<Vec<u8>>> {
    if let Some(number) = value.strip_prefix(&[0x11]) {
        let number = f64::from_le_bytes(number.try_into().ok()?);
        let exact = (0.0..=9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // looked at above
        return exact.then(|| Some((number as u64).to_le_bytes().to_vec()));
    }
    let mut rest = value;
    let text = take_field(&mut rest, 0x1a)?;
    if !rest.is_empty() {
        return None;
    }
    if text.is_empty() {
        return Some(None);
    }
    if is_duration {
        return Some(Some(nanoseconds(text)?.to_le_bytes().to_vec()));
    }
    Some(Some(text.to_vec()))
}

/// A protobuf duration in its JSON form, `1.5s`.
fn nanoseconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('s')?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let missing = u32::try_from(9_usize.saturating_sub(fraction.len())).ok()?;
    let fraction: u64 = match fraction {
        "" => 0,
        fraction => fraction.parse().ok()?,
    };
    let seconds: u64 = seconds.parse().ok()?;
    let fraction = fraction.checked_mul(10_u64.checked_pow(missing)?)?;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [Wanted; 3] = [
        Wanted::value(&["response", "code"]),
        Wanted::duration(&["response", "backend_latency"]),
        Wanted::value(&["xds", "route_name"]),
    ];

    #[test]
    fn an_expression_asks_for_nothing_that_is_not_there() {
        assert_eq!(
            expression(&WANTED[..2]),
            "[has(response.code)?response.code:'',\
             has(response.backend_latency)?response.backend_latency:'']"
        );
    }

    fn value(content: &[u8]) -> Vec<u8> {
        [&[0x0a, content.len() as u8], content].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        value(&[&[0x1a, text.len() as u8], text.as_bytes()].concat())
    }

    fn number(number: f64) -> Vec<u8> {
        value(&[&[0x11], &number.to_le_bytes()[..]].concat())
    }

    #[test]
    fn properties_are_as_they_would_have_been_by_themselves() {
        let answer = [number(200.0), text("1.002500s"), text("models")].concat();
        let number = |number: u64| Some(number.to_le_bytes().to_vec());
        assert_eq!(
            read(&answer, &WANTED),
            Some(vec![
                number(200),
                number(1_002_500_000),
                Some(b"models".to_vec())
            ])
        );
        let answer = [text(""), text(""), text("2s")].concat();
        assert_eq!(
            read(&answer, &WANTED),
            Some(vec![None, None, Some(b"2s".to_vec())])
        );
        let long = "r".repeat(200);
        let field = [&[0x1a, 0xc8, 1], long.as_bytes()].concat();
        let last = [&[0x0a, 0xcb, 1], field.as_slice()].concat();
        let answer = [text(""), text("3s"), last].concat();
        let read = read(&answer, &WANTED).unwrap();
        assert_eq!(read, [None, number(3_000_000_000), Some(long.into_bytes())]);
    }

    #[test]
    fn what_is_no_such_answer_is_none() {
        let good = [number(200.0), text("0.5s"), text("models")].concat();
        assert!(read(&good, &WANTED).is_some());
        for cut in 0..good.len() {
            assert_eq!(read(&good[..cut], &WANTED), None, "{cut}");
        }
        for bad in [
            [number(-1.0), text("1s"), text("a")].concat(),
            [number(0.5), text("1s"), text("a")].concat(),
            [number(1e16), text("1s"), text("a")].concat(),
            [number(f64::NAN), text("1s"), text("a")].concat(),
            [number(1.0), text("-1s"), text("a")].concat(),
            [number(1.0), text("1.0000000001s"), text("a")].concat(),
            [number(1.0), text("s"), text("a")].concat(),
            [number(1.0), text("1m"), text("a")].concat(),
            [number(1.0), text("1s"), value(&[8, 0])].concat(),
            [good.clone(), text("more")].concat(),
        ] {
            assert_eq!(read(&bad, &WANTED), None, "{bad:?}");
        }
    }
}
