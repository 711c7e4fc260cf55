;; Has the host do as much work as it can for one instruction, without end.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (loop $again
      (drop (call $random_get (i32.const 0) (i32.const 16777216)))
      (br $again))
    unreachable))
