//! Every reason code there is, filter by filter. The documentation's page of reason codes is made from it.

use super::Reason;

/// Declares reasons of one filter: constants, and the list `ALL`.
macro_rules! reasons {
    ($filter:literal; $($(#[$doc:meta])* $name:ident = $status:literal $code:literal, $title:literal, $help:literal;)+) => {
        $($(#[$doc])* #[doc = $help] pub static $name: super::super::Reason = super::super::Reason { filter: $filter, code: $code, status: $status, title: $title, help: $help };)+
        /// All of them.
        pub static ALL: &[&super::super::Reason] = &[$(&$name),+];
    };
}

pub mod audit_log;
pub mod aws_sigv4;
pub mod consumer_acl;
pub mod jwt_auth;
pub mod key_auth;
pub mod kit;
pub mod pii_mask;
pub mod rate_limit;

/// All reasons, in the order of the chain.
pub fn all() -> impl Iterator<Item = &'static Reason> {
    [
        kit::ALL,
        audit_log::ALL,
        jwt_auth::ALL,
        key_auth::ALL,
        consumer_acl::ALL,
        rate_limit::ALL,
        pii_mask::ALL,
        aws_sigv4::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The reasons that a filter can give: its own and the kit's.
pub fn of(filter: &str) -> impl Iterator<Item = &'static Reason> {
    all().filter(move |reason| reason.filter == filter || reason.filter == "kit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for reason in all() {
            assert!(
                seen.insert((reason.filter, reason.code)),
                "{} twice",
                reason.code
            );
            assert!(
                reason
                    .code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{}",
                reason.code
            );
            assert!((400..600).contains(&reason.status), "{}", reason.code);
            assert!(!reason.title.is_empty() && !reason.help.is_empty());
        }
    }
}
