//! `modelgate`: every filter of the suite in one module.
//!
//! With a filter's name as `root_id` it is that filter. With `chain` it is a whole chain in one
//! entry of the proxy's: its configuration lists the filters with theirs, a request passes them in
//! that order and a response in the reverse one, and the proxy enters the module once where it
//! would have entered eight.
//!
//! This is the list of the suite's filters: the tools, the tests and the generated documentation
//! take it from here.

modelgate_kit::suite! {
    "audit-log" => audit_log::AuditLog,
    "jwt-auth" => jwt_auth::JwtAuth,
    "key-auth" => key_auth::KeyAuth,
    "consumer-acl" => consumer_acl::ConsumerAcl,
    "rate-limit" => rate_limit::RateLimit,
    "model-route" => model_route::ModelRoute,
    "pii-mask" => pii_mask::PiiMask,
    "upstream-auth" => upstream_auth::UpstreamAuth,
    "aws-sigv4" => aws_sigv4::AwsSigv4,
}
