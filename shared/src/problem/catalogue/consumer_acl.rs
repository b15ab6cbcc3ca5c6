//! Reasons of `consumer-acl`.

reasons! { "consumer_acl";
    ACCESS_DENIED = 403 "access_denied", "You may not do this.",
        "No rule allows this caller to make this request, or a rule denies it. The rule is in the fact `decision`.";
    IDENTITY_MISSING = 403 "identity_missing", "You must authenticate to do this.",
        "No rule allows this request to a caller whom no filter has authenticated. Put `jwt-auth` or `key-auth` before this filter, or write a rule with `identity: any`.";
}
