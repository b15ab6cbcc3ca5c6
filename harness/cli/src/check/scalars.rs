//! Single values as yaml-cpp and protobuf's JSON read them, tried on Envoy 1.40.

use super::api::Kind;
use located_yaml::{Key, Node, Style, Value};

/// Whether a node is a wrapper that is written out: `{ value: 5 }`.
pub(super) fn is_wrapped(node: &Node, wrapper: &str) -> bool {
    wrapper != "Value" && wrapper != "ListValue" && is_parts(node, &["value"])
}

/// Whether a node is a mapping that has no other members than these.
pub(super) fn is_parts(node: &Node, names: &[&str]) -> bool {
    let known = |(key, _): &(Key, Node)| names.contains(&key.text.as_str());
    matches!(&node.value, Value::Map(members) if members.iter().all(known))
}

/// `true` and `false`, where yaml-cpp or protobuf's JSON takes a value for one.
pub(super) fn truth(node: &Node, text: &str) -> Option<bool> {
    let unquoted = is_plain(node);
    if let Some(value) = yaml_truth(text).filter(|_| unquoted) {
        return Some(value);
    }
    // Unquoted, these are numbers.
    match text.to_ascii_lowercase().as_str() {
        "0" | "1" if unquoted => None,
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The words that yaml-cpp takes for a truth value: in small letters, in capitals, or with one
/// capital in front.
pub(super) fn yaml_truth(text: &str) -> Option<bool> {
    let capital = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let small = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    if !(capital(text) || small(text) || text.get(1..).is_some_and(small)) {
        return None;
    }
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" => Some(true),
        "false" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

pub(super) fn is_plain(node: &Node) -> bool {
    matches!(
        &node.value,
        Value::Scalar {
            style: Style::Plain,
            ..
        }
    )
}

pub(super) fn hexadecimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0x")?;
    i64::from_str_radix(digits, 16).ok()
}

/// The least and the greatest number of a wrapper's type, where a `f64` can tell.
pub(super) fn range(kind: &Kind) -> Option<(f64, f64)> {
    match kind {
        Kind::Message(name) if name.ends_with(".UInt32Value") => Some((0.0, f64::from(u32::MAX))),
        Kind::Message(name) if name.ends_with(".Int32Value") => {
            Some((f64::from(i32::MIN), f64::from(i32::MAX)))
        }
        Kind::Unsigned => Some((0.0, f64::INFINITY)),
        Kind::Message(name) if name.ends_with(".UInt64Value") => Some((0.0, f64::INFINITY)),
        _ => None,
    }
}

/// Seconds as protobuf's JSON has them: at most nine digits behind the point, at most 10,000 years.
pub(super) fn is_seconds(number: &str) -> bool {
    const MOST: u64 = 315_576_000_000;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    digits(whole)
        && whole.parse::<u64>().is_ok_and(|whole| whole <= MOST)
        && fraction.is_none_or(|fraction| digits(fraction) && fraction.len() <= 9)
}

/// The items of a list; a list in it stands for its own items.
pub(super) fn flattened(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::List(items) => items.iter().flat_map(flattened).collect(),
        _ => vec![node],
    }
}

/// What a value is, in words.
pub(super) fn kind(node: &Node) -> &'static str {
    match &node.value {
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
        Value::Scalar { text, style } if *style == Style::Plain => match text {
            text if yaml_truth(text).is_some() => "true or false",
            text if text.parse::<f64>().is_ok() => "a number",
            _ => "a text",
        },
        Value::Scalar { .. } => "a text",
    }
}
