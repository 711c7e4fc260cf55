;; Calls itself twice at each of 64 levels: it ends after 2^64 calls, without a loop or deep recursion.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func $branch (param $levels i32)
    (if (local.get $levels) (then
      (call $branch (i32.sub (local.get $levels) (i32.const 1)))
      (call $branch (i32.sub (local.get $levels) (i32.const 1))))))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (call $branch (i32.const 64))
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17)))
  (data (i32.const 16) "{\"violations\":[]}"))
