//! The filters of the suite, as the tools know them.

use modelgate_kit::filter::Registration;

use crate::scenario::Wasm;

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
            krate: "key-auth",
            filter: Registration::of::<key_auth::KeyAuth>(),
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
            krate: "pii-mask",
            filter: Registration::of::<pii_mask::PiiMask>(),
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

/// Whether Envoy must let a filter hold back headers while the body arrives (`allow_on_headers_stop_iteration`). Where the code is
/// not the suite's own it stays off, as in Envoy.
pub fn needs_stop_iteration(wasm: &Wasm) -> bool {
    match wasm {
        Wasm::Suite(name) => member(name).is_some_and(|member| member.filter.needs.buffers_request),
        Wasm::Guests | Wasm::File(_) => false,
    }
}
