//! `modelgate`: every filter of the suite in one module.
//!
//! With a filter's name as `root_id` it is that filter. With `chain` it is a whole chain in one entry of the proxy's: its configuration
//! lists the filters with theirs, a request passes them in that order and a response in the reverse one, and the proxy enters the module once
//! where it would have entered seven.

modelgate_kit::export_bundle!(
    audit_log::AuditLog,
    jwt_auth::JwtAuth,
    key_auth::KeyAuth,
    consumer_acl::ConsumerAcl,
    rate_limit::RateLimit,
    pii_mask::PiiMask,
    aws_sigv4::AwsSigv4,
);
