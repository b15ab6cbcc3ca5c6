//! Reasons of `audit-log`.

modelgate_kit::reasons! { "audit_log";
    AUDIT_UNAVAILABLE = 503 "audit_unavailable", "The request cannot be recorded at the moment.", "The audit queue is full or its sink is down, and the configuration says that a request that cannot be recorded is refused. See the sink's health and the filter's drop counters.";
}
