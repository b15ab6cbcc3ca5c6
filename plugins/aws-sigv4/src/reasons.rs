//! Reasons of `aws-sigv4`.

modelgate_kit::reasons! { "aws_sigv4";
    PAYLOAD_TOO_LARGE = 413 "payload_too_large", "The request's body is too large to be signed.", "The body is longer than `max_body_bytes`.";
    PAYLOAD_REFUSED = 400 "payload_refused", "This request must not have a body.", "The configuration says `payload: absent`, and the request announces a body or trailers.";
    UPGRADE_REFUSED = 403 "upgrade_refused", "The connection may not be upgraded here.", "The request asks for WebSocket or another upgrade, or is a CONNECT. What is sent after it is not signed; `on_upgrade` is `deny`, or left out where the body would be signed; or the request announces a body.";
    PATH_REFUSED = 403 "path_refused", "The gateway does not sign requests for this path.", "The path fits none of the templates of `paths`, or does not lie under `strip_path_prefix`.";
    HEADER_REFUSED = 403 "header_refused", "The request sets a header that only the gateway may set.", "The client sent an `x-amzn-*` header that `client_headers` does not list. The header would choose a variant, a model or a guardrail under the gateway's credentials.";
    HEADER_REPEATED = 400 "header_repeated", "The request repeats a header that may occur only once.", "An `x-amzn-*` header that `client_headers` lists came more than once: which of them the service would take is not known.";
    HOST_MISSING = 400 "host_missing", "The request names no host.", "The configuration has no `host`, and the request has no authority to sign.";
    HOST_AMBIGUOUS = 400 "host_ambiguous", "The request names two hosts.", "The request has an authority and a `host` header, or several of one, that differ: which one the next hop would take is not known.";
    LENGTH_REQUIRED = 411 "length_required", "The request must say how long its body is.", "The configuration says `payload: chunked`, and the request has a body without `content-length`: the length of what is sent is signed before the body is.";
    CREDENTIALS_UNAVAILABLE = 503 "credentials_unavailable", "The gateway has no credentials for the service at the moment.", "No source of `credentials` has given any within `wait_ms`, or the last ones have expired and the source does not answer. The log says why; the next attempt is at most 10 seconds away.";
    ROLE_DENIED = 403 "role_denied", "No role of the gateway signs for this caller.", "No rule of `roles` surely fits the caller. Add one, or one for everybody: `{ \"who\": { \"identity\": \"any\" } }`.";
    TAG_UNKNOWN = 403 "tag_unknown", "The caller lacks a property that the gateway must tell the service.", "A tag of the role's session takes its value from the caller, whose identity does not have it, or not as 1 to 256 letters, digits, spaces and `_.:/=+-@`.";
    SESSIONS_EXHAUSTED = 503 "sessions_exhausted", "The gateway acts for too many callers at a time.", "As many sessions of roles as `max_sessions` allows are waiting for credentials or signing at this moment. Raise it, or give sessions fewer tags.";
}
