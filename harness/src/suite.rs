//! The filters of the suite, as the tools know them.

use modelgate_kit::filter::Registration;

/// One filter: its crate and its registration.
#[derive(Clone, Copy)]
pub struct Member {
    /// Crate, and folder under `plugins/`.
    pub krate: &'static str,
    /// What the kit knows of it.
    pub filter: Registration,
}

/// Every filter, in the order of the chain.
pub fn members() -> Vec<Member> {
    let mut members = vec![
        Member {
            krate: "audit-log",
            filter: Registration::of::<audit_log::AuditLog>(),
        },
        Member {
            krate: "jwt-auth",
            filter: Registration::of::<jwt_auth::JwtAuth>(),
        },
        Member {
            krate: "consumer-acl",
            filter: Registration::of::<consumer_acl::ConsumerAcl>(),
        },
        Member {
            krate: "rate-limit",
            filter: Registration::of::<rate_limit::RateLimit>(),
        },
        Member {
            krate: "key-auth",
            filter: Registration::of::<key_auth::KeyAuth>(),
        },
        Member {
            krate: "aws-sigv4",
            filter: Registration::of::<aws_sigv4::AwsSigv4>(),
        },
    ];
    members.sort_by_key(|member| member.filter.needs.order);
    members
}

/// The member with this crate, filter or module name (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`).
pub fn member(name: &str) -> Option<Member> {
    let name = name.strip_suffix(".wasm").unwrap_or(name).replace('-', "_");
    members()
        .into_iter()
        .find(|member| member.filter.name == name)
}
