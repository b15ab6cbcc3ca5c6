//! Reasons of `jwt-auth`.

modelgate_kit::reasons! { "jwt_auth";
    TOKEN_MISSING = 401 "token_missing", "A bearer token is required.",
        "The request carries no token in any of the places that `credential_from` lists.";
    TOKEN_REPEATED = 400 "token_repeated", "More than one token was sent.",
        "The request carries tokens in several places, or one header with a token more than once. Send exactly one.";
    CREDENTIALS_MIXED = 400 "credentials_mixed", "The header with the token carries other credentials too.",
        "One header, sent twice or with a comma in it, has the token and something of another scheme, such as Basic: which one counts would depend on who reads it. Send one, or put the token into a header of its own (`credential_from`).";
    TOKEN_OVERSIZE = 401 "token_oversize", "The token is too long.",
        "The token is longer than `max_token_bytes`. Ask the issuer for fewer claims, or raise the limit.";
    TOKEN_MALFORMED = 401 "token_malformed", "The token is malformed.",
        "The place of the token is empty, the scheme is not followed by spaces and one token, or the token is not three parts of canonical base64url with a strict JSON header and strict JSON claims (each member once, registered claims of the right type).";
    EXTENSION_REFUSED = 401 "extension_refused", "The token uses an extension that is not supported.",
        "The header has `crit`, or `b64` other than true (RFC 7515 section 4.1.11, RFC 7797).";
    TOKEN_TYPE_REFUSED = 401 "token_type_refused", "This type of token is not accepted.",
        "`typ` is not among the issuer's `types`, or `cty` says that the payload is another token.";
    ALGORITHM_REFUSED = 401 "algorithm_refused", "The algorithm of the token is not accepted.",
        "`alg` is `none`, unknown, not among the issuer's `algorithms`, or not the one that the named key is for.";
    KEY_UNKNOWN = 401 "key_unknown", "The token was signed with an unknown key.",
        "No key of the issuer has the token's `kid`, or none fits its algorithm, also after its keys were fetched anew (at most once per `min_interval_s`).";
    KEY_UNUSABLE = 401 "key_unusable", "The token was signed with a key that is not accepted.",
        "The issuer has the key that the token names, and it cannot be used: the log says why, where the keys were read.";
    SIGNATURE_REFUSED = 401 "signature_refused", "The signature of the token is not valid.",
        "The signature is not that of the issuer's key: the token was changed, or made by somebody else.";
    ISSUER_UNKNOWN = 401 "issuer_unknown", "The issuer of the token is not accepted.",
        "`iss` is none of the configured issuers, compared byte by byte (mind a slash at the end); or the tenant in it is not let in or not that of `tid`; or `signer` is none of `signers`.";
    AUDIENCE_REFUSED = 401 "audience_refused", "The token is not meant for this service.",
        "`aud`, or what `audience_claims` names in its place, has none of the issuer's `audiences`. An `aud` that is there must be ours also where `audiences` is left out.";
    CLAIM_MISSING = 401 "claim_missing", "The token lacks a required claim.",
        "One of `required_claims`, or the `consumer_claim`, is not in the token.";
    TOKEN_EXPIRED = 401 "token_expired", "The token has expired.",
        "`exp` has passed, `clock_skew_s` included.";
    TOKEN_NOT_YET_VALID = 401 "token_not_yet_valid", "The token is not valid yet.",
        "`nbf` or `iat` is in the future, `clock_skew_s` included: look at the clocks.";
    LIFETIME_REFUSED = 401 "lifetime_refused", "The lifetime of the token is too long.",
        "`exp` minus `iat` is above `max_lifetime_s`, or one of the two is missing; or `exp` lies beyond the year 9999 (milliseconds instead of seconds, mostly).";
    CLAIM_REFUSED = 403 "claim_refused", "The claims of the token do not allow this request.",
        "A condition under `claims` does not hold, or is about a claim whose value is elsewhere (`_claim_names`, `hasgroups`) or cannot be read; or a claim that names the caller, its groups or a header cannot be used as such.";
    SCOPE_INSUFFICIENT = 403 "scope_insufficient", "The token does not grant the required scope.",
        "The token lacks one of the issuer's `scopes`.";
    KEYS_UNAVAILABLE = 503 "keys_unavailable", "The keys of the issuer are not available.",
        "The issuer's keys could not be fetched yet, or are older than `every_s` plus `max_stale_s`, or the token names an unknown key while the issuer cannot be asked. Look at the log and at the cluster.";
}
