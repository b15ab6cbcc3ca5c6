//! What threads hand to each other although it is full of `Rc`.
#![allow(unsafe_code)]

/// A VM with all that belongs to it, behind a lock.
pub struct Handed<T>(pub T);

// SAFETY: every `Rc` of a VM is inside of it: what the VM is made from is not shared, and it hands
// out none. Only whoever holds the lock around this value touches any of them, one thread at a
// time. Neither the kit nor the filters keep anything in thread-locals (`tests/tests/tidy.rs`).
unsafe impl<T> Send for Handed<T> {}
