//! The contract with Plimsoll: JSON in, JSON out. Nothing is freed: the host puts memory
//! back after each call.

#[no_mangle]
pub extern "C" fn plimsoll_abi_1() {}

#[no_mangle]
pub extern "C" fn plimsoll_alloc(len: usize) -> *mut u8 {
    Box::leak(vec![0; len].into_boxed_slice()).as_mut_ptr()
}

/// # Safety
/// The host calls it with what plimsoll_alloc returned.
#[no_mangle]
pub unsafe extern "C" fn plimsoll_validate(ptr: *const u8, len: usize) -> u64 {
    let verdict = super::judge(std::slice::from_raw_parts(ptr, len));
    let text = serde_json::to_vec(&verdict).expect("a verdict is JSON");
    let text = Box::leak(text.into_boxed_slice());
    (text.as_ptr() as u64) << 32 | text.len() as u64
}
