//! Reasons of `example-filter`.

modelgate_kit::reasons! { "example_filter";
    METHOD_DENIED = 403 "method_denied", "The method of this request is not allowed here.",
        "The method is among `deny_methods`. Use another one, or take it from the list.";
}
