//! The allocator: a pointer that only moves up, through what follows the data
//! segment and on into grown memory. Calls are short and the host restores memory
//! after each, so freeing would be wasted work.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::Cell;

const PAGE: usize = 64 * 1024;

extern "C" {
    /// Set by the linker to the first address behind data and stack.
    static __heap_base: u8;
}

struct Arena {
    /// Where the next allocation starts; 0 before the first.
    next: Cell<usize>,
}

// One instance runs one call at a time, on one thread.
unsafe impl Sync for Arena {}

impl Arena {
    fn take(&self, start: usize, size: usize) -> *mut u8 {
        let end = match start.checked_add(size) {
            Some(end) => end,
            None => return std::ptr::null_mut(),
        };
        let have = memory_size(0) * PAGE;
        if end > have && memory_grow(0, (end - have + PAGE - 1) / PAGE) == usize::MAX {
            return std::ptr::null_mut();
        }
        self.next.set(end);
        start as *mut u8
    }
}

unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut next = self.next.get();
        if next == 0 {
            next = &__heap_base as *const u8 as usize;
        }
        let align = layout.align();
        self.take((next + align - 1) & !(align - 1), layout.size())
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    /// What was allocated last grows in place, as vectors being filled do.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if ptr as usize + layout.size() == self.next.get() {
            return self.take(ptr as usize, size);
        }
        if size <= layout.size() {
            return ptr;
        }
        let grown = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !grown.is_null() {
            std::ptr::copy_nonoverlapping(ptr, grown, layout.size());
        }
        grown
    }
}

#[global_allocator]
static ARENA: Arena = Arena { next: Cell::new(0) };
