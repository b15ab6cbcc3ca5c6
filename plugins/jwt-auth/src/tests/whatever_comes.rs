//! Whatever happens, in any order.

use proptest::prelude::*;

use super::*;

/// Something that may happen to a worker, in any order.
#[derive(Clone, Debug)]
enum Event {
    /// A request with one of the tokens.
    Request(usize),
    /// The last call is answered with one of the documents.
    Answer(usize),
    /// Time passes.
    Wait(u64),
    /// A chunk of a body arrives at a request that was held, the n-th last.
    Body(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..7_usize).prop_map(Event::Request),
        (0..6_usize).prop_map(Event::Answer),
        prop_oneof![
            Just(400),
            Just(3100),
            Just(31_000),
            Just(301_000),
            Just(90_000_000)
        ]
        .prop_map(Event::Wait),
        (0..3_usize).prop_map(Event::Body),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_passes_unless_a_fetched_key_has_signed_it(
        events in proptest::collection::vec(event(), 1..60),
        stop_sharing in any::<bool>(),
    ) {
        let shared = Workers::new();
        if stop_sharing {
            shared.refuse();
        }
        let mut proxy = Proxy::sharing(&fetching(), &shared);
        let far = with("exp", json!(START_S + 900_000_000));
        // Which key must have been served for the token to pass; none ever for the others.
        let tokens = [
            (mint(1, Some("a"), &far), Some(1)),
            (mint(2, Some("b"), &far), Some(2)),
            (mint(2, None, &far), Some(2)),
            (mint(3, Some("a"), &far), None),
            (mint(1, Some("a"), &with("exp", json!(START_S - 100))), None),
            (mint(1, Some("a"), &with("aud", json!("other"))), None),
            ("a.b.c".to_owned(), None),
        ];
        let documents = [
            (200, jwks(&[(1, "a")]).to_string(), &[1][..]),
            (200, jwks(&[(2, "b")]).to_string(), &[2]),
            (200, jwks(&[(1, "a"), (2, "b")]).to_string(), &[1, 2]),
            (200, "{\"keys\":[]}".to_owned(), &[]),
            (503, jwks(&[(3, "a")]).to_string(), &[]),
            (200, "\u{0}".to_owned(), &[]),
        ];
        let mut served = std::collections::BTreeSet::new();
        let mut held: Vec<(u32, usize)> = Vec::new();
        for event in events {
            match event {
                Event::Request(token) => {
                    let bearer = format!("Bearer {}", tokens[token].0);
                    let (context, outcome) = proxy.send(&[("authorization", &bearer)]);
                    match outcome {
                        Outcome::Passed(_) => {
                            let needed = tokens[token].1;
                            prop_assert!(needed.is_some_and(|key| served.contains(&key)), "token {token}");
                        }
                        Outcome::Held => held.push((context, token)),
                        Outcome::Refused(status, _) => prop_assert!(status >= 400),
                    }
                }
                Event::Answer(document) => {
                    let (status, body, keys) = &documents[document];
                    if proxy.answer(*status, body) {
                        served.extend(keys.iter().copied());
                    }
                }
                Event::Wait(ms) => proxy.pass_ms(ms),
                Event::Body(back) => {
                    if let Some((context, token)) = held.iter().rev().nth(back).copied()
                        && proxy.body(context)
                    {
                        let needed = tokens[token].1;
                        prop_assert!(needed.is_some_and(|key| served.contains(&key)), "token {token}, by its body");
                    }
                }
            }
            for (context, token) in &held {
                if matches!(proxy.later(*context), Outcome::Passed(_)) {
                    let needed = tokens[*token].1;
                    prop_assert!(needed.is_some_and(|key| served.contains(&key)), "token {token}, resumed");
                }
            }
        }
    }
}
