;; Fills its memory again and again: few instructions, much work.
(module
  (memory (export "memory") 256)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216))
      (br $again))
    unreachable))
