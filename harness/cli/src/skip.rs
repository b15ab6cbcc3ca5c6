//! What a test needs and this machine does not have: a skip that is printed, and so counted, and a
//! failure where `CI=true`.

use std::fmt::Display;

/// Whether this is CI, where nothing may be missing.
pub fn is_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

/// What there is; or nothing, said aloud. `what` is what cannot be had, or what cannot be tested
/// without it.
///
/// # Panics
/// If there is nothing and `CI=true`.
#[allow(clippy::panic)] // for tests, which fail by panicking
pub fn require_or_skip<T>(what: &str, had: Result<T, impl Display>) -> Option<T> {
    match had {
        Ok(had) => Some(had),
        // The whole chain of causes, where there is one.
        Err(missing) if is_ci() => panic!("CI=true, but {what} cannot be had: {missing:#}"),
        Err(missing) => {
            println!("SKIPPED: {what} cannot be had: {missing:#}");
            None
        }
    }
}
