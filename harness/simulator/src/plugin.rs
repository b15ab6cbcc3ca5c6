//! What the running proxy knows of a filter.

/// What happens to requests after a filter's VM was lost to a trap. The request that met the trap
/// is answered 503 in any case but the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The next request gets a new VM (`FAIL_RELOAD`).
    #[default]
    Reload,
    /// 503 until restart (`FAIL_CLOSED`).
    Closed,
    /// Unfiltered until restart (`FAIL_OPEN`).
    Open,
    /// Unfiltered until restart, also the request that met the trap (the older `fail_open: true`).
    OpenAtOnce,
}

/// What the running proxy knows of a filter.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub name: String,
    pub root_id: String,
    pub configuration: Vec<u8>,
    pub failure_policy: FailurePolicy,
    pub allow_on_headers_stop_iteration: bool,
    pub disabled: bool,
}
