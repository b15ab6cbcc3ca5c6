//! Reasons of `key-auth`.

reasons! { "key_auth";
    KEY_MISSING = 401 "key_missing", "An API key is required.", "The request carries no key in any of the places that the configuration lists.";
}
