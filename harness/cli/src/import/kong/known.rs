//! Plugins that are known and not taken over.

/// Plugins that change nothing about who may do what, and which no filter takes the place of.
pub const HARMLESS: [(&str, &str); 19] = [
    (
        "http-log",
        "events go to a collector by OTLP (`sink` of audit-log), not as Kong's JSON to any server",
    ),
    (
        "tcp-log",
        "events go to a collector by OTLP (`sink` of audit-log)",
    ),
    (
        "udp-log",
        "events go to a collector by OTLP (`sink` of audit-log)",
    ),
    (
        "syslog",
        "write Envoy's access log to a file or to a gRPC service",
    ),
    (
        "loggly",
        "events go to a collector by OTLP (`sink` of audit-log)",
    ),
    (
        "kafka-log",
        "events go to a collector by OTLP (`sink` of audit-log)",
    ),
    ("datadog", "use Envoy's `stats_sinks` (`dog_statsd`)"),
    ("statsd", "use Envoy's `stats_sinks` (`statsd`)"),
    ("statsd-advanced", "use Envoy's `stats_sinks` (`statsd`)"),
    ("zipkin", "use `tracing` of the HTTP connection manager"),
    (
        "opentelemetry",
        "use `tracing` of the HTTP connection manager; audit-log sends events by OTLP",
    ),
    ("proxy-cache", "use Envoy's cache filter"),
    ("proxy-cache-advanced", "use Envoy's cache filter"),
    ("ai-semantic-cache", "answers are not cached"),
    ("grpc-web", "use Envoy's grpc_web filter"),
    ("grpc-gateway", "use Envoy's grpc_json_transcoder filter"),
    ("acme", "get certificates outside of the gateway"),
    ("session", "no sessions are kept"),
    ("request-callout", "no other server is asked"),
];

/// Plugins that protect, or stand for a server, and what there is for them.
pub const HINTS: [(&str, &str); 8] = [
    (
        "oauth2",
        "Kong's own tokens are known to Kong only: let an identity provider issue JWTs for jwt-auth",
    ),
    (
        "hmac-auth",
        "no filter verifies such signatures: give these callers API keys or tokens",
    ),
    ("ldap-auth", "Envoy's ext_authz can ask a service that does"),
    (
        "mtls-auth",
        "require client certificates in the listener's TLS, and use Envoy's rbac",
    ),
    (
        "aws-lambda",
        "the function gets an event that Kong makes of the request, and its answer is made a response, in ways that nothing here has. Give the function a URL with AWS_IAM, and sign for it with aws-sigv4 (`service: lambda`); or rewrite it for the events of Envoy's aws_lambda filter",
    ),
    (
        "ai-rate-limiting-advanced",
        "rate-limit counts requests, not tokens of a model",
    ),
    (
        "response-ratelimiting",
        "rate-limit counts requests, and not what answers say",
    ),
    (
        "ai-prompt-guard",
        "its patterns are not taken over; `custom` of pii-mask refuses values of bounded patterns",
    ),
];
