//! A suite: the one list of filters that its module, its tools and its documentation are made from.

use crate::filter::Registration;

/// One filter of a suite.
#[derive(Clone, Copy)]
pub struct Member {
    /// Its crate, in kebab-case; in this repository also its folder under `plugins/`.
    pub krate: &'static str,
    /// What the kit knows of it.
    pub filter: Registration,
}

/// Whether the members stand in the order of the chain, each behind those with a lower
/// [`Needs::order`](crate::filter::Needs); for [`suite!`](crate::suite!).
#[allow(clippy::indexing_slicing)] // evaluated by the compiler only
pub const fn in_order(members: &[Member]) -> bool {
    let mut at = 1;
    while at < members.len() {
        if members[at - 1].filter.needs.order >= members[at].filter.needs.order {
            return false;
        }
        at += 1;
    }
    true
}

/// What the kit knows of the members, of which there are `N`; for [`suite!`](crate::suite!).
#[allow(clippy::indexing_slicing)] // evaluated by the compiler only
pub const fn registrations<const N: usize>(members: &[Member]) -> [Registration; N] {
    let mut all = [members[0].filter; N];
    let mut at = 1;
    while at < N {
        all[at] = members[at].filter;
        at += 1;
    }
    all
}

/// Declares the filters of a suite, in the order of the chain: crate and type of each. A filter is
/// there where the crate has the feature of that name: a module need not hold all. Where it is
/// compiled for a proxy, the crate is the module that holds them all: each for itself by its name
/// as `root_id`, and any of them as a chain (see [`crate::vm::CHAIN`]), with every callback.
/// Everywhere it has the list `FILTERS`, and its own name as `BUNDLE`. Needs the kit's feature
/// `chain`.
///
/// ```ignore
/// modelgate_kit::suite! {
///     "jwt-auth" => jwt_auth::JwtAuth,
///     "rate-limit" => rate_limit::RateLimit,
/// }
/// ```
#[macro_export]
macro_rules! suite {
    ($($krate:literal => $filter:ty),+ $(,)?) => {
        /// The crate of the module that holds them all.
        pub const BUNDLE: &str = env!("CARGO_PKG_NAME");
        /// Every filter, in the order of the chain.
        pub const FILTERS: &[$crate::suite::Member] = &[$(#[cfg(feature = $krate)] $crate::suite::Member {
            krate: $krate,
            filter: $crate::filter::Registration::of::<$filter>(),
        }),+];
        const _: () = assert!(!FILTERS.is_empty(), "suite! has no filter: switch on the feature of at least one");
        const _: () = assert!($crate::suite::in_order(FILTERS), "suite! does not list the filters by NEEDS.order");
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::export_module!(install_bundle &$crate::suite::registrations::<{ FILTERS.len() }>(FILTERS); request_body response_headers response_body answers tick end);
        };
    };
}
