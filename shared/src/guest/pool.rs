//! The memory of a module: small blocks that were given back are handed out again, the last one
//! first.
//!
//! Every request takes and gives back the same hundred small blocks. The standard allocator of
//! `wasm32-wasip1` (dlmalloc) looks for the best fit and joins neighbours each time; here a block
//! of up to 2 KiB goes onto the list of its size class and comes off it in a few instructions, most
//! often while it is still in the processor's cache. What it saves is in
//! `docs/decisions/0006-memory.md`.
//!
//! Larger blocks, and new ones for a class, come from the standard allocator. A class keeps what it
//! was given: the module's memory is bounded by the largest sum of blocks that each class has held,
//! not of all classes at one time.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
#[cfg(any(target_arch = "wasm32", test))]
use std::cell::UnsafeCell;
use std::ptr::copy_nonoverlapping;
#[cfg(any(target_arch = "wasm32", test))]
use std::ptr::null_mut;

/// Bytes by which the sizes of two neighbouring classes differ.
pub(crate) const STEP: usize = 32;
/// Number of classes; blocks larger than the last one's are the standard allocator's.
pub(crate) const CLASSES: usize = 64;
/// Alignment of every block of a class.
const ALIGN: usize = 16;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: Pool = Pool::new();

/// Free blocks by class: each begins with the address of the next one.
#[cfg(any(target_arch = "wasm32", test))]
struct Pool(UnsafeCell<[*mut u8; CLASSES]>);

// SAFETY: a module has one thread (the target has no threads), and no allocation happens inside
// another.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Pool {}

/// The class of a block; `None` where the standard allocator has it.
#[inline]
pub(crate) const fn class(size: usize, align: usize) -> Option<usize> {
    let class = size.wrapping_sub(1) / STEP;
    if class < CLASSES && align <= ALIGN {
        Some(class)
    } else {
        None
    }
}

/// What the standard allocator is asked for when a class has no free block.
#[inline]
pub(crate) const fn whole(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and no class comes near the largest size.
    unsafe { Layout::from_size_align_unchecked((class + 1) * STEP, ALIGN) }
}

#[cfg(any(target_arch = "wasm32", test))]
impl Pool {
    const fn new() -> Self {
        Self(UnsafeCell::new([null_mut(); CLASSES]))
    }

    #[inline]
    const fn list(&self, class: usize) -> *mut *mut u8 {
        // SAFETY: `class` has given a number below `CLASSES`.
        unsafe { self.0.get().cast::<*mut u8>().add(class) }
    }
}

// SAFETY: a block of a class is at least `STEP` bytes that nobody else has, aligned to `ALIGN`; it
// is on a list exactly while it is free, and `class` gives the same number for the layout that it
// was taken with and given back with.
#[cfg(any(target_arch = "wasm32", test))]
unsafe impl GlobalAlloc for Pool {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout.size(), layout.align()) else {
            return unsafe { System.alloc(layout) };
        };
        unsafe {
            let list = self.list(class);
            let block = *list;
            if block.is_null() {
                return System.alloc(whole(class));
            }
            *list = *block.cast::<*mut u8>();
            block
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(layout.size(), layout.align()) else {
            return unsafe { System.dealloc(block, layout) };
        };
        unsafe {
            let list = self.list(class);
            *block.cast::<*mut u8>() = *list;
            *list = block;
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { regrow(self, block, layout, size) }
    }
}

/// Another size for a block of an allocator of blocks by class.
///
/// # Safety
/// As [`GlobalAlloc::realloc`]; what `class` has no number for is the standard allocator's.
#[inline]
pub(crate) unsafe fn regrow(
    pool: &impl GlobalAlloc,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    let (before, after) = (
        class(layout.size(), layout.align()),
        class(size, layout.align()),
    );
    match (before, after) {
        (None, None) => unsafe { System.realloc(block, layout, size) },
        (Some(before), Some(after)) if before == after => block,
        _ => unsafe {
            let wanted = Layout::from_size_align_unchecked(size, layout.align());
            let moved = pool.alloc(wanted);
            if !moved.is_null() {
                copy_nonoverlapping(block, moved, layout.size().min(size));
                pool.dealloc(block, layout);
            }
            moved
        },
    }
}

/// What every allocator of blocks by class must do.
#[cfg(test)]
pub(crate) mod checks {
    use std::alloc::{GlobalAlloc, Layout};

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    /// A block that is in use, and the byte that it is full of.
    struct Used(*mut u8, Layout, u8);

    impl Used {
        fn assert_whole(&self, bytes: usize) {
            let content = unsafe { std::slice::from_raw_parts(self.0, bytes) };
            assert!(content.iter().all(|byte| *byte == self.2));
        }

        fn fill(&self) {
            unsafe { self.0.write_bytes(self.2, self.1.size()) };
        }
    }

    /// Takes blocks, lets them grow and gives them back, and looks at every byte of each.
    pub(crate) fn every_block_is_its_owners_alone(pool: &impl GlobalAlloc) {
        let step = (0_u8..3, 0_usize..40, 1_usize..5_000, 0_u32..7, any::<u8>());
        let steps = prop::collection::vec(step, 0..300);
        // Steps that fail can be drawn again by their seed; there is no file to keep them in.
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let run = TestRunner::new(config).run(&steps, |steps| {
            let mut used: Vec<Used> = Vec::new();
            for (step, at, size, align, byte) in steps {
                let at = at % used.len().max(1);
                match step {
                    1 if !used.is_empty() => {
                        let gone = used.swap_remove(at);
                        gone.assert_whole(gone.1.size());
                        unsafe { pool.dealloc(gone.0, gone.1) };
                    }
                    2 if !used.is_empty() => {
                        let grown = &mut used[at];
                        grown.0 = unsafe { pool.realloc(grown.0, grown.1, size) };
                        grown.assert_whole(grown.1.size().min(size));
                        grown.1 = Layout::from_size_align(size, grown.1.align()).unwrap();
                        prop_assert_eq!(grown.0.addr() % grown.1.align(), 0);
                        grown.fill();
                    }
                    _ => {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        let new = Used(unsafe { pool.alloc(layout) }, layout, byte);
                        prop_assert!(!new.0.is_null());
                        prop_assert_eq!(new.0.addr() % layout.align(), 0);
                        new.fill();
                        used.push(new);
                    }
                }
            }
            for last in used {
                last.assert_whole(last.1.size());
                unsafe { pool.dealloc(last.0, last.1) };
            }
            Ok(())
        });
        run.unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_its_owners_alone() {
        checks::every_block_is_its_owners_alone(&Pool::new());
    }

    #[test]
    fn a_block_that_was_given_back_is_the_next_of_its_class() {
        let pool = Pool::new();
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        unsafe {
            let (first, second) = (pool.alloc(layout(40)), pool.alloc(layout(64)));
            pool.dealloc(first, layout(40));
            pool.dealloc(second, layout(64));
            assert_eq!(pool.alloc(layout(33)), second);
            assert_eq!(pool.alloc(layout(64)), first);
            assert_ne!(pool.alloc(layout(65)), first);
        }
    }

    #[test]
    fn classes_end_at_two_kibibytes_and_at_an_alignment_of_sixteen() {
        assert_eq!(class(1, 1), Some(0));
        assert_eq!(class(32, 16), Some(0));
        assert_eq!(class(33, 8), Some(1));
        assert_eq!(class(2_048, 8), Some(63));
        assert_eq!(class(2_049, 8), None);
        assert_eq!(class(8, 32), None);
        // Nobody asks for nothing; were it asked for, it would be the standard allocator's to
        // answer.
        assert_eq!(class(0, 1), None);
    }
}
