//! How long the tokens of an answer are held: a test holds the figures.

use super::tests::plan;
use super::*;
use modelgate_kit::json::escape_into;
use std::fmt::Write as _;

/// Tokens as models have them: a space and up to four characters of a word.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for character in text.chars() {
        match tokens.last_mut() {
            Some(last) if character != ' ' && last.trim_start().chars().count() < 4 => {
                last.push(character);
            }
            _ => tokens.push(character.to_string()),
        }
    }
    tokens
}

/// For each token, how many came after it before it went.
fn held(text: &str) -> Vec<usize> {
    let plan = plan("{}");
    let mut answer = Answer::new(&plan, Media::Events).unwrap();
    let tokens = tokens(text);
    let (mut held, mut gone) = (Vec::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        let mut event = String::from("data: {\"choices\":[{\"delta\":{\"content\":\"");
        escape_into(token, &mut event);
        let _ = write!(event, "\"}}}}]}}\n\n");
        let out = answer.push(event.as_bytes());
        let out = String::from_utf8(out).unwrap();
        for _ in out.matches("data: ") {
            held.push(at - gone);
            gone += 1;
        }
    }
    answer.finish();
    held
}

fn mean(held: &[usize]) -> f64 {
    held.iter().sum::<usize>() as f64 / held.len() as f64
}

#[test]
fn tokens_are_held_only_as_long_as_they_may_become_a_finding() {
    let url = "https://docs.example.org/guides/getting-started/installation/with-packages/and-modules?tab=linux#step-two ";
    let base64 = "QUJDZGVm".repeat(300);
    for (name, text, most_mean, most) in [
        ("prose", "The quick brown fox jumps over the lazy dog, and nobody minds it. ".repeat(20), 1.4, 3),
        ("code", "fn main() { let total = items.iter().map(|item| item.price).sum::<u64>(); println!(\"{total}\"); } ".repeat(10), 1.5, 4),
        ("urls", url.repeat(10), 2.5, 6),
        ("base64", format!("see {base64} end. ").repeat(3), 105.0, 165),
        ("german", "Die Donaudampfschifffahrtsgesellschaft und die Rindfleischetikettierung sind lange Worte. ".repeat(10), 3.5, 9),
        ("json", "{\"name\": \"value\", \"list\": [1, 2, 3], \"flag\": true}\n".repeat(20), 0.8, 2),
    ] {
        let held = held(&text);
        let (mean, longest) = (mean(&held), held.iter().max().copied().unwrap());
        assert!(
            mean <= most_mean && longest <= most,
            "{name}: mean {mean:.2}, longest {longest}"
        );
    }
}
