//! Reasons of `key-auth`.

modelgate_kit::reasons! { "key_auth";
    KEY_MISSING = 401 "key_missing", "An API key is required.",
        "The request carries no key in any of the places that `credential_from` lists.";
    KEY_UNKNOWN = 401 "key_unknown", "The API key is not valid.",
        "No key of the configuration has the digest of what was presented.";
    KEY_EXPIRED = 401 "key_expired", "The API key has expired.",
        "The key's `expires_at` has passed. Issue a new key; a consumer may have several at once.";
    KEY_NOT_YET_VALID = 401 "key_not_yet_valid", "The API key is not valid yet.",
        "The key's `not_before` lies in the future.";
    KEY_OVERSIZE = 401 "key_oversize", "The API key is not valid.",
        "What was presented is longer than `max_key_bytes`.";
    KEY_REPEATED = 400 "key_repeated", "The request carries more than one API key, or other credentials beside it.",
        "A header or parameter is sent twice, keys stand in two places, or the header with the key has credentials of another scheme too. Send exactly one.";
    KEY_MALFORMED = 401 "key_malformed", "The API key is malformed.",
        "The key is empty, or the scheme is not followed by spaces and one key (RFC 9110 section 11.4).";
    IDENTITY_CONFLICTING = 400 "identity_conflicting", "The request carries two kinds of credentials.",
        "An earlier filter has verified the caller already. Send one credential, or set `on_other_identity`.";
    IDENTITY_UNWRITABLE = 403 "identity_unwritable", "The caller's identity cannot be passed to the upstream.",
        "Something that `identity_headers` hands on has no faithful form as a header: a label with control characters, a group with a comma, groups or claims of an earlier token that are not all known.";
}
