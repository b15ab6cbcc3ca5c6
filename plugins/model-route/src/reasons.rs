//! Reasons of `model-route`.

modelgate_kit::reasons! { "model_route";
    MODEL_NOT_ROUTED = 404 "model_not_routed", "There is no such model here.",
        "No entry of `models` has the name that the request asks for, which is compared as it was sent. Correct the name, add it to `models` or to an entry's `aliases`, or set `unknown_models: allow`.";
    REQUEST_NOT_ROUTED = 404 "request_not_routed", "There is nothing here under this path.",
        "The request is about no model (a list of models, a health check, a path of no protocol that is known), and no entry's `paths` has its path. Send it to another listener, add the path, or set `other_requests: allow`.";
    MODELS_MIXED = 400 "models_mixed", "The request names several models. Ask for one.",
        "A batch, a list of fallbacks, a tool or a router's header names models beside the first. Which of them answers would not be the gateway's choice any more.";
    ROUTE_INEXPRESSIBLE = 400 "route_inexpressible", "This model cannot be asked for in this way.",
        "The target has a name, version, label, variant, deployment or inference component for which the request's protocol has no word, or that cannot stand where names stand in it (such as a slash in a path); or the proxy takes no other path from a filter (nginx). Ask by another protocol, or write `version_is: of_backend`, or a name that fits.";
    MODEL_DEGRADED = 503 "model_degraded", "The model is not available. This is a substitute for its answer.",
        "The answer of the entry's `fallback`, with the status that it has there: every target is taken out, or the proxy or server gave one of `fallback.statuses`. See the gauge `state` and the server itself.";
}
