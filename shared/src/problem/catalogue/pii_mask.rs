//! Reasons of `pii-mask`.

reasons! { "pii_mask";
    PII_BLOCKED = 400 "pii_blocked", "The request contains personal data that may not pass.", "A value of an entity whose action is `block` was found.";
}
