//! Configurations that are refused.

use super::*;

#[test]
fn everything_wrong_with_a_configuration_is_said_at_once() {
    let values = r#"{"subject":"clear","access_log":true,"sink":{"cluster":"","path":"logs","authority":"a b","headers":{"Host":"x"},"queue":{"when_full":"deny"},"retry":{"also":[413]}}}"#;
    let what_does_not_fit = r#"{"sink":{"cluster":"logs","headers":{"X-A":"a\nb","x-b":{"env":"NOT_SET"}},
        "queue":{"max_events":10},"batch":{"max_events":20},"retry":{"first_ms":2,"longest_ms":1}}}"#;
    for (config, expected) in [
        (
            values,
            &[
                "subject:",
                "access_log:",
                "sink.cluster:",
                "sink.path:",
                "sink.authority:",
                "sink.headers.Host:",
                "sink.queue.when_full: unknown field (did you mean `on_full`?)",
                "sink.retry.also[0]:",
            ][..],
        ),
        (
            what_does_not_fit,
            &[
                "sink.headers.x-a:",
                "sink.headers.x-b:",
                "sink.batch.max_events:",
                "sink.retry.first_ms:",
            ],
        ),
    ] {
        let problems = TestGateway::open::<AuditLog>(proxy(&[]), config)
            .err()
            .unwrap()
            .join("\n");
        for path in expected {
            assert!(
                problems.contains(&format!(" {path}")),
                "{path} in {problems}"
            );
        }
    }
}
