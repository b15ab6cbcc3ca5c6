//! Reasons of `jwt-auth`.

reasons! { "jwt_auth";
    TOKEN_MISSING = 401 "token_missing", "A bearer token is required.", "The request carries no token in any of the places that `token_from` lists.";
}
