;; Grows its memory by a page, and finds a violation if it had been grown, or what it got is not zero.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (local $violation i32)
    (local.set $violation (i32.ne (memory.grow (i32.const 1)) (i32.const 1)))
    (local.set $violation (i32.or (local.get $violation) (i32.load (i32.const 65536))))
    (local.set $violation (i32.or (local.get $violation) (i32.load (i32.const 131068))))
    (i32.store (i32.const 65536) (i32.const -1))
    (i32.store (i32.const 131068) (i32.const -1))
    (select
      (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 32))
      (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17))
      (local.get $violation)))
  (data (i32.const 16) "{\"violations\":[]}")
  (data (i32.const 64) "{\"violations\":[{\"msg\":\"grown\"}]}"))
