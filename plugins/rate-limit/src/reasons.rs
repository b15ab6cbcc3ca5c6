//! Reasons of `rate-limit`.

modelgate_kit::reasons! { "rate_limit";
    LIMIT_EXCEEDED = 429 "limit_exceeded", "Too many requests.",
        "A limit of the configuration is used up. `Retry-After` says when the next request fits, `violated-policies` which limits are meant.";
    LIMIT_KEY_MISSING = 403 "limit_key_missing", "The request lacks the property that it is counted by.",
        "A policy counts by something that this request does not have, e.g. by consumer where no filter has authenticated one. Put the authentication before this filter, or set `on_missing`.";
    LIMIT_UNAVAILABLE = 503 "limit_unavailable", "The request cannot be counted at the moment.",
        "The memory for buckets could not be read or written, or other workers were faster each time. See the metrics `uncounted` and `mismatched`, and `on_error` and `on_contention`.";
}
