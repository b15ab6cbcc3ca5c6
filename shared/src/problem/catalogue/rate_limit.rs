//! Reasons of `rate-limit`.

reasons! { "rate_limit";
    LIMIT_EXCEEDED = 429 "limit_exceeded", "Too many requests.", "A limit of the configuration is used up. `Retry-After` says when the next request fits.";
}
