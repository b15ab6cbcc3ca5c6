//! Reasons of `consumer-acl`.

modelgate_kit::reasons! { "consumer_acl";
    ACCESS_DENIED = 403 "access_denied", "Access denied.",
        "No rule allows this caller to make this request, or a rule denies it. The rule is in the fact `decision`.";
    IDENTITY_MISSING = 401 "identity_missing", "Authentication is required.",
        "No filter has authenticated the caller, and there are callers to whom a rule allows this request. The challenges are those of the authenticators before this filter that let requests without credentials pass, or a plain `Bearer`. Put `jwt-auth` or `key-auth` before this filter, or write a rule with `identity: any`.";
    MODEL_UNKNOWN = 403 "model_unknown", "The model of this request cannot be determined.",
        "The only rules that would allow this request name models, and the path belongs to no protocol that says which model it is about, or `model_from_body.mode` is `ignore`. Allow the path by a rule without `models`, or let the body be read.";
    OVERRIDE_REFUSED = 400 "override_refused", "The request has a header or parameter that replaces its path, method or host.",
        "`X-Original-URL`, `X-Rewrite-URL`, `X-Forwarded-Prefix`, `X-HTTP-Method-Override`, `x-portkey-custom-host` or the like, or the query parameter `_method`, while rules look at paths, methods or models. Leave it out, or set `override_headers`.";
}
