;; Grows its memory by 8 MiB, and finds a violation if it had been grown.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (select
      (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 32))
      (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17))
      (i32.ne (memory.grow (i32.const 128)) (i32.const 1))))
  (data (i32.const 16) "{\"violations\":[]}")
  (data (i32.const 64) "{\"violations\":[{\"msg\":\"grown\"}]}"))
