//! Events that the tests of this crate share.

use super::*;

/// An event with every field set.
pub(crate) fn full() -> Event {
    Event {
        time_unix_ns: 1_763_712_000_123_456_789,
        worker: Text::of("w-1"),
        sequence: 42,
        outcome: Outcome::Denied,
        who: Who {
            consumer: Text::some("team-a"),
            issuer: Text::some("https://idp.example"),
            subject: Some(Subject::Hashed(Text::of(
                "00112233445566778899aabbccddeeff",
            ))),
            groups: ["ml", "ops"].into_iter().map(Text::of).collect(),
            credential: Text::some("key-7"),
            method: Text::some("jwt"),
            audience: [Text::of("models")].into_iter().collect(),
            kid: Text::some("k1"),
        },
        what: What {
            method: Text::some("POST"),
            path: path_of(b"/v2/models/iris/infer?token=s3cret"),
            route: Text::some("models"),
            host: Text::some("gateway.example"),
            dialect: Text::some("open_inference"),
            operation: Text::some("infer"),
            model: Text::some("iris"),
            version: Text::some("3"),
            sent: Sent {
                target: Text::some("canary"),
                backend: Text::some("models-b"),
                model: Text::some("iris-forest"),
                version: Text::some("4"),
            },
        },
        decided: Decided {
            filter: Text::some("consumer_acl"),
            rule: Text::some("only-ml"),
            reason: Text::some("group_refused"),
            would_deny: [Text::of("rate_limit:burst")].into_iter().collect(),
        },
        answered: Answered {
            status: Some(403),
            details: Text::some("modelgate_consumer_acl_group_refused"),
            flags: Flags(1 << 5),
            total_ms: Some(12),
            upstream_ms: Some(7),
            request_bytes: Some(512),
            response_bytes: Some(128),
        },
        masked: [(Text::of("email"), 2), (Text::of("iban"), 1)]
            .into_iter()
            .collect(),
        trace: TraceParent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        request_id: Text::some("9f2c"),
    }
}

/// An event of which only the least is known.
pub(crate) fn bare() -> Event {
    Event {
        time_unix_ns: 1,
        worker: Text::of("w"),
        sequence: 1,
        outcome: Outcome::ClientGone,
        who: Who::default(),
        what: What::default(),
        decided: Decided::default(),
        answered: Answered::default(),
        masked: Few::default(),
        trace: None,
        request_id: None,
    }
}

/// An event whose every text is as long and as hostile as it can get.
pub(crate) fn largest() -> Event {
    fn long<const MAX: usize>() -> Text<MAX> {
        Text::of("\"\\".repeat(MAX))
    }
    Event {
        time_unix_ns: u64::MAX,
        worker: long(),
        sequence: u64::MAX,
        outcome: Outcome::UpstreamFailed,
        who: Who {
            consumer: Some(long()),
            issuer: Some(long()),
            subject: Some(Subject::Plain(long())),
            groups: std::iter::repeat_with(long).take(40).collect(),
            credential: Some(long()),
            method: Some(long()),
            audience: std::iter::repeat_with(long).take(5).collect(),
            kid: Some(long()),
        },
        what: What {
            method: Some(long()),
            path: Some(long()),
            route: Some(long()),
            host: Some(long()),
            dialect: Some(long()),
            operation: Some(long()),
            model: Some(long()),
            version: Some(long()),
            sent: Sent {
                target: Some(long()),
                backend: Some(long()),
                model: Some(long()),
                version: Some(long()),
            },
        },
        decided: Decided {
            filter: Some(long()),
            rule: Some(long()),
            reason: Some(long()),
            would_deny: std::iter::repeat_with(long).take(9).collect(),
        },
        answered: Answered {
            status: Some(u16::MAX),
            details: Some(long()),
            flags: Flags(u64::MAX),
            total_ms: Some(u64::MAX),
            upstream_ms: Some(u64::MAX),
            request_bytes: Some(u64::MAX),
            response_bytes: Some(u64::MAX),
        },
        masked: (0..40).map(|_| (long(), u64::MAX)).collect(),
        trace: TraceParent::parse(b"00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff"),
        request_id: Some(long()),
    }
}
