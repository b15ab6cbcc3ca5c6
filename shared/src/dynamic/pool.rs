//! The memory of the library: small blocks that a thread has given back are handed out to it again,
//! the last one first, as in the wasm form ([`crate::guest`]). Everything else comes from the
//! process's allocator, which is Envoy's.
//!
//! Each thread has lists of its own, so nothing is locked. A block may be given back by another
//! thread than has taken it (the answer to a callout goes from the main thread to a worker), so a
//! list has an end: what is beyond it goes back to the process.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

use crate::guest::pool::{CLASSES, STEP, class, regrow, whole};

/// Bytes that one list may hold.
const MOST_BYTES: usize = 16 << 10;
/// Blocks that it may hold in any case, and at most.
const BLOCKS: (usize, usize) = (8, 64);

/// A thread's free blocks of one class: each begins with the address of the next one.
#[derive(Clone, Copy)]
struct List {
    first: *mut u8,
    count: usize,
}

const EMPTY: List = List {
    first: null_mut(),
    count: 0,
};

// Without a destructor, which would have to outlive the module: what a thread that ends has on its
// lists is lost.
thread_local! {
    static LISTS: UnsafeCell<[List; CLASSES]> = const { UnsafeCell::new([EMPTY; CLASSES]) };
}

/// The allocator, for `#[global_allocator]`.
pub struct Pool;

/// How many blocks a list holds at most.
const fn most(class: usize) -> usize {
    let (fewest, most) = BLOCKS;
    let fit = MOST_BYTES / ((class + 1) * STEP);
    if fit < fewest {
        fewest
    } else if fit > most {
        most
    } else {
        fit
    }
}

/// Takes a block off this thread's list; null where it is empty.
#[inline]
fn take(class: usize) -> *mut u8 {
    let taken = LISTS.try_with(|lists| {
        // SAFETY: the lists are this thread's alone, nothing in here calls the allocator, and
        // `class` has given a number below `CLASSES`. A block on a list is free, and begins with
        // the address of the next.
        unsafe {
            let list = &mut *lists.get().cast::<List>().add(class);
            let block = list.first;
            if !block.is_null() {
                list.first = *block.cast::<*mut u8>();
                list.count -= 1;
            }
            block
        }
    });
    taken.unwrap_or(null_mut())
}

/// Puts a block onto this thread's list; `false` where it is full.
///
/// # Safety
/// The block is of this class, and nobody uses it any more.
#[inline]
unsafe fn keep(block: *mut u8, class: usize) -> bool {
    let kept = LISTS.try_with(|lists| {
        // SAFETY: as in `take`.
        unsafe {
            let list = &mut *lists.get().cast::<List>().add(class);
            let has_room = list.count < most(class);
            if has_room {
                *block.cast::<*mut u8>() = list.first;
                list.first = block;
                list.count += 1;
            }
            has_room
        }
    });
    kept.unwrap_or(false)
}

// Not inlined: at each of thousands of places it would make the library a quarter larger.
//
// SAFETY: a block of a class is at least `STEP` bytes that nobody else has, aligned as `whole`
// says; it is on one list exactly while it is free, and `class` gives the same number for the
// layout that it was taken with and given back with. A block of a class always has the layout
// `whole(class)` for the process's allocator.
unsafe impl GlobalAlloc for Pool {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout.size(), layout.align()) else {
            return unsafe { System.alloc(layout) };
        };
        let block = take(class);
        if block.is_null() {
            return unsafe { System.alloc(whole(class)) };
        }
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(layout.size(), layout.align()) else {
            return unsafe { System.dealloc(block, layout) };
        };
        unsafe {
            if !keep(block, class) {
                System.dealloc(block, whole(class));
            }
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { regrow(self, block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn a_block_that_was_given_back_is_the_next_of_its_class() {
        crate::guest::pool::checks::every_block_is_its_owners_alone(&Pool);
        unsafe {
            let (first, second) = (Pool.alloc(layout(40)), Pool.alloc(layout(64)));
            Pool.dealloc(first, layout(40));
            Pool.dealloc(second, layout(64));
            assert_eq!(Pool.alloc(layout(33)), second);
            assert_eq!(Pool.alloc(layout(64)), first);
            Pool.dealloc(first, layout(64));
            Pool.dealloc(second, layout(33));
        }
    }

    /// What a thread is given by others does not pile up with it.
    #[test]
    fn a_list_has_an_end() {
        for (size, blocks) in [(32, 64), (1_000, 16), (2_048, 8)] {
            let class = class(size, 8).unwrap();
            assert_eq!(most(class), blocks);
            let many: Vec<usize> = (0..200)
                .map(|_| unsafe { Pool.alloc(layout(size)) }.expose_provenance())
                .collect();
            std::thread::spawn(move || {
                for block in many {
                    let block = std::ptr::with_exposed_provenance_mut(block);
                    unsafe { Pool.dealloc(block, layout(size)) };
                }
                let count = LISTS.with(|lists| unsafe { (*lists.get())[class].count });
                assert_eq!(count, blocks);
                while !take(class).is_null() {}
            })
            .join()
            .unwrap();
        }
    }
}
