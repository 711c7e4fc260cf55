;; Takes all memory there is, uses it, and traps when there is no more.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (local $at i32)
    (loop $again
      (local.set $at (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
      (if (i32.eq (local.get $at) (i32.const -65536)) (then unreachable))
      (i32.store (local.get $at) (i32.const 1))
      (br $again))
    unreachable))
