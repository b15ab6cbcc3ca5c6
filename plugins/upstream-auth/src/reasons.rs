//! Reasons of `upstream-auth`.

modelgate_kit::reasons! { "upstream_auth";
    CREDENTIAL_UNAVAILABLE = 503 "credential_unavailable", "The gateway has no credential for this backend at the moment.",
        "The token that the backend wants could not be fetched yet, or has run out and could not be fetched anew. The proxy's log says why; `retry-after` says when it is tried again.";
    SUBJECT_MISSING = 401 "subject_missing", "This request has no token of a caller.",
        "`token_exchange` exchanges the caller's own token, and the request has none at `subject_token_from`, or one that is too long. Let the authenticator before leave it there (`credential_to_upstream: keep`).";
    SUBJECT_AMBIGUOUS = 400 "subject_ambiguous", "This request has more than one token of a caller.",
        "More than one credential stands at the places of `subject_token_from`, or one in a form that two servers could read differently.";
    SUBJECT_REFUSED = 403 "subject_refused", "The caller's token was not accepted in exchange.",
        "The token endpoint has refused to exchange the caller's token (`invalid_request`, `invalid_grant`, `invalid_target`, `invalid_scope`, `access_denied`). That is remembered for 30 seconds.";
    HEADER_REFUSED = 403 "header_refused", "The request sets a header that only the gateway may set.",
        "The client sent a header by which the provider would let it choose who pays or which deployment answers, and `client_headers` does not list it; or a WebSocket subprotocol that carries a key.";
    HEADER_REPEATED = 400 "header_repeated", "The request repeats a header that may occur only once.",
        "A header that `client_headers` lists, or with `pass_through` `authorization`, came more than once: which of them the backend would take is not known.";
    PARAMETER_AMBIGUOUS = 400 "parameter_ambiguous", "The request's query can be read in two ways.",
        "A query parameter that the backend could take for a credential stands behind a `;`, where some servers see a parameter and others none.";
    UPGRADE_REFUSED = 403 "upgrade_refused", "No tunnel may be opened here.",
        "The request is a CONNECT: what is sent through a tunnel would reach the backend as it is, with credentials of the client's.";
}
