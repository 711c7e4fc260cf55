;; Traps if the request has more than 1,000 bytes, and leaves memory and a global changed.
(module
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (i32.store8 (i32.const 16) (i32.const 0))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.or (i32.gt_u (local.get $len) (i32.const 1000)) (i32.ne (global.get $calls) (i32.const 1))) (then unreachable))
    (i32.store8 (i32.const 16) (i32.const 123))
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17)))
  (data (i32.const 16) "{\"violations\":[]}"))
