//! Reasons of `consumer-acl`.

reasons! { "consumer_acl";
    ACCESS_DENIED = 403 "access_denied", "You may not do this.", "No rule allows this caller to make this request, or a rule denies it. The rule is in the fact `decision`.";
}
