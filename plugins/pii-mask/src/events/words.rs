//! Words of protocols: data and names of events that are no text.

/// Words of a protocol behind which a reader does not wait for more.
pub fn is_end(data: &str) -> bool {
    matches!(
        data,
        "[DONE]" | "[END]" | "[EOS]" | "[STOP]" | "[FINISHED]" | "[COMPLETE]" | "[CLOSE]"
    )
}

/// `[DONE]`, `[PING]`: words of a protocol, and no text.
pub fn is_control(data: &str) -> bool {
    data.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b' ' | b'-'))
        })
}

/// Names of events behind which a reader does not wait for more.
pub fn is_last(name: &str) -> bool {
    matches!(
        name,
        "complete" | "completed" | "done" | "end" | "final" | "finish" | "close" | "message_end"
    )
}

/// Names of events whose data are a value: a reader waits for some of them.
pub fn is_signal(name: &str) -> bool {
    matches!(
        name,
        "endpoint"
            | "ping"
            | "heartbeat"
            | "keepalive"
            | "keep-alive"
            | "open"
            | "ready"
            | "connected"
            | "start"
            | "id"
            | "session"
            | "metadata"
            | "status"
            | "error"
            | "done"
            | "end"
            | "close"
    )
}
