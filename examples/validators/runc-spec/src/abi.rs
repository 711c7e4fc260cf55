//! The exports of Plimsoll's validator ABI v1.
//!
//! Memory belongs to the caller: it allocates room for the request, the verdict lies
//! in memory that stays valid until the next call, and nothing is ever freed because
//! the host puts the instance back to its first state after each call.

/// Marks the module as one of ABI v1. Never called.
#[no_mangle]
pub extern "C" fn plimsoll_abi_1() {}

/// Gives `size` bytes for a document to be written to.
#[no_mangle]
pub extern "C" fn plimsoll_alloc(size: usize) -> *mut u8 {
    Vec::<u8>::with_capacity(size).leak().as_mut_ptr()
}

/// Judges the request document at `ptr`.
///
/// # Safety
/// `ptr` and `len` must describe initialised memory, as the ABI asks of hosts.
#[no_mangle]
pub unsafe extern "C" fn plimsoll_validate(ptr: *const u8, len: usize) -> u64 {
    give(crate::judge(std::slice::from_raw_parts(ptr, len)))
}

/// Judges the settings document at `ptr`.
///
/// # Safety
/// As for `plimsoll_validate`.
#[no_mangle]
pub unsafe extern "C" fn plimsoll_validate_settings(ptr: *const u8, len: usize) -> u64 {
    give(crate::judge_settings(std::slice::from_raw_parts(ptr, len)))
}

fn give(verdict: Vec<u8>) -> u64 {
    let verdict = verdict.leak();
    (verdict.as_ptr() as u64) << 32 | verdict.len() as u64
}
