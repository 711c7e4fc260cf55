;; Is valid if it has not been called before, as far as memory, its size and a global know.
;; Its allocator takes what is asked for from new memory.
(module
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param $size i32) (result i32)
    (local $page i32)
    (local.set $page (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
    (if (i32.lt_s (local.get $page) (i32.const 0)) (then (return (i32.const 0))))
    (i32.shl (local.get $page) (i32.const 16)))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.or (global.get $calls) (i32.load (i32.const 512))) (then unreachable))
    (if (i32.ne (local.get $ptr) (i32.const 65536)) (then unreachable))
    (global.set $calls (i32.const 1))
    (i32.store (i32.const 512) (i32.const 1))
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17)))
  (data (i32.const 16) "{\"violations\":[]}"))
