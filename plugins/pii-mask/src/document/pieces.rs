//! A number whose groups are the elements of an array: `["4111", "1111", "1111", "1111"]`, as forms
//! with a field for each group send it.

use core::ops::Range;

/// Fewest and most groups.
const GROUPS: Range<usize> = 3..5;
/// Digits of a group.
const DIGITS: Range<usize> = 2..7;

/// The groups of the array that the string at `span` begins, if they are all of it, and where the
/// last one ends.
pub fn read(document: &[u8], span: Range<usize>) -> Option<(Vec<&str>, usize)> {
    let first = document.get(span.clone())?;
    if !is_group(first) {
        return None;
    }
    let before = document.get(..span.start)?.strip_suffix(b"\"")?;
    if before.trim_ascii_end().last() != Some(&b'[') {
        return None;
    }
    let mut groups = vec![core::str::from_utf8(first).ok()?];
    let mut end = span.end;
    loop {
        let rest = document.get(end..)?.strip_prefix(b"\"")?;
        let rest = rest.trim_ascii_start();
        if rest.first() == Some(&b']') {
            return GROUPS.contains(&groups.len()).then_some((groups, end));
        }
        let rest = rest.strip_prefix(b",")?.trim_ascii_start();
        let rest = rest.strip_prefix(b"\"")?;
        let length = rest.iter().take(DIGITS.end);
        let length = length.take_while(|byte| byte.is_ascii_digit()).count();
        let group = rest.get(..length).filter(|group| is_group(group))?;
        if groups.len() >= GROUPS.end {
            return None;
        }
        groups.push(core::str::from_utf8(group).ok()?);
        let start = document.len().saturating_sub(rest.len());
        end = start.saturating_add(length);
    }
}

fn is_group(text: &[u8]) -> bool {
    DIGITS.contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_all_of_an_array() {
        let groups = |document: &str| {
            let at = document.find("4111")?;
            let (groups, end) = read(document.as_bytes(), at..at + 4)?;
            assert!(document[end..].starts_with('"'));
            Some(groups.join("-"))
        };
        let card = Some("4111-1111-1111-1111".to_owned());
        assert_eq!(groups(r#"["4111","1111","1111","1111"]"#), card);
        assert_eq!(
            groups("{\"a\": [ \"4111\" ,\n\"1111\",\"1111\", \"1111\"\n]}"),
            card
        );
        for document in [
            r#"["x","4111","1111","1111"]"#,
            r#"["4111","1111"]"#,
            r#"["4111","1111","1111","1111","1111"]"#,
            r#"["4111","1111","1111",1111]"#,
            r#"["4111","1111","1111","x"]"#,
            r#"["4111","1111","1111","1111""#,
            r#"{"a":"4111","b":"1111","c":"1111"}"#,
            r#""4111""#,
        ] {
            assert_eq!(groups(document), None, "{document}");
        }
    }
}
