//! Reasons that every filter can give.

crate::reasons! { "kit";
    HOST_REFUSED = 500 "host_refused", "The gateway could not process this request.",
        "The proxy refused a call that the filter depends on, e.g. because of `capability_restriction_config`. Allow the calls that the filter's README lists.";
    FILTER_STALLED = 500 "filter_stalled", "The gateway could not process this request.",
        "The filter waits for nothing that can come: a defect of the filter. Please report it.";
    PLAN_MISSING = 500 "plan_missing", "The gateway could not process this request.",
        "An exchange reached a filter that has no configuration, which a proxy should never let happen. Look for errors of the filter at start-up.";
    PROFILE_UNKNOWN = 500 "profile_unknown", "The gateway is not configured for this route.",
        "The route's metadata names a profile that the filter's configuration does not have. Add it under `profiles`, or correct the route.";
    PATH_AMBIGUOUS = 400 "path_ambiguous", "The request's path can be read in more than one way.",
        "The filter chooses its profile, or decides, by path, and this path has an encoded slash, dot segments, empty segments or a broken escape, which upstreams read differently. Send the plain path.";
    HOST_UNREADABLE = 400 "host_unreadable", "The request's host is not valid.",
        "The filter chooses its profile by host, or signs it, and `Host` or `:authority` is not a name or address with an optional port: it has userinfo (`user@host`), a list, an escape or the like, or names another host than its counterpart.";
    HEADER_AMBIGUOUS = 400 "header_ambiguous", "The request has headers that the upstream could confuse with the gateway's.",
        "More than 32 header names of the request, or one that is not text, differ from names that the filter writes only in `-`, `_` and the like. A few are removed; so many are an attack.";
    HEADERS_TOO_MANY = 431 "headers_too_many", "The request has too many headers.",
        "nginx (ngx_wasm_module) shows a filter the first 100 header pairs only, pseudo-headers among them, and the request has as many or more: what comes after them would pass unseen. Send fewer headers.";
    BODY_UNANNOUNCED = 411 "body_unannounced", "The request does not say how long its body is.",
        "nginx (ngx_wasm_module) does not say with the headers whether a body follows, and calls no filter for one that is empty. The request has a body and no `content-length`, or `transfer-encoding` where a filter must see the body. Send its length.";
    BODY_UNFINISHED = 408 "body_unfinished", "The request's body did not end in time.",
        "The request had to wait in the middle of its body, e.g. for keys, and so goes on at the end of it; but for 5 seconds nothing more of it came, or after 60 it had not ended. Send it again: what it waited for is there now.";
    CONFIGURATION_REFUSED = 500 "configuration_refused", "The gateway is not configured for this route.",
        "The filter's configuration is wrong, and the proxy would let requests pass without the filter (nginx, Kong): so it answers every one. The proxy's log names each field and how to mend it. Also where the buckets of `rate-limit` do not fit into nginx's shared memory.";
    BODY_TOO_LARGE = 413 "body_too_large", "The request body is larger than the gateway reads.",
        "A rule needs the body (e.g. for the model's name), and it is longer than the filter's `max_body_bytes`.";
    BODY_UNREADABLE = 500 "body_unreadable", "The gateway could not process this request.",
        "The proxy did not hand over the body that it had announced, e.g. because it was spooled to a file. Raise the proxy's buffer.";
    MODEL_UNREADABLE = 400 "model_unreadable", "The request does not name one model in a way that can be checked. A body that names it must be JSON, sent as application/json and not compressed; for uploads, a form.",
        "A rule looks at the model, and the body or the headers do not name exactly one in exactly one way: no JSON, a content coding (gzip), a content type that is neither JSON nor (for uploads) a form, no model, the member, field or header twice.";
}
