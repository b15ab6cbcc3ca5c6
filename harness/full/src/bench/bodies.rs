//! The same cases with longer bodies: requests of some sizes, and an answer that is a stream of
//! events.

use super::case::{Case, Variant};
use super::upstream::{ANSWER, STREAM};
use modelgate_scenario::file::{Body, Chunk};

/// Sizes of requests, in bytes.
const SIZES: [(&str, usize); 3] = [
    ("1 KiB", 1 << 10),
    ("64 KiB", 1 << 16),
    // The most that the filters take by default.
    ("1 MB", 1_000_000),
];

/// A message with each of its variants.
pub struct Row {
    /// What is sent or answered.
    pub what: &'static str,
    /// The bare request first.
    pub variants: Vec<Variant>,
}

/// The variants of these cases with each message.
pub fn rows(bare: &Case, chain: &Case) -> Vec<Row> {
    let variants = |change: &dyn Fn(&Variant) -> Variant| {
        let all = [Some(&bare.main), Some(&chain.main), chain.native.as_ref()];
        all.into_iter().flatten().map(change).collect()
    };
    let mut rows: Vec<Row> = SIZES
        .iter()
        .map(|(what, bytes)| Row {
            what,
            variants: variants(&|variant| with_body(variant, what, *bytes)),
        })
        .collect();
    rows.push(Row {
        what: "200 events",
        variants: variants(&|variant| {
            let mut variant = variant.renamed("200 events");
            let headers = &mut variant.request.headers;
            headers.push((ANSWER.to_owned(), STREAM.into()));
            variant
        }),
    });
    rows
}

fn with_body(variant: &Variant, what: &str, bytes: usize) -> Variant {
    let mut variant = variant.renamed(what);
    variant.request.body = Body {
        chunks: vec![Chunk::at_once(json(bytes))],
        ..Body::default()
    };
    variant
}

/// A request of so many bytes with prose in it.
fn json(bytes: usize) -> Vec<u8> {
    const BEGINNING: &str = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":[""#;
    const END: &str = r#""]}]}"#;
    const PROSE: &str = "The quick brown fox jumps over the lazy dog, and nobody minds. ";
    let left = bytes.saturating_sub(BEGINNING.len() + END.len());
    let mut text = BEGINNING.as_bytes().to_vec();
    text.extend(PROSE.bytes().cycle().take(left));
    text.extend_from_slice(END.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_size_that_was_asked_for() {
        for (_, bytes) in SIZES {
            let body = json(bytes);
            assert_eq!(body.len(), bytes);
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(value.pointer("/inputs/0/data/0").is_some());
        }
    }
}
