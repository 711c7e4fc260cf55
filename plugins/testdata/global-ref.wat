;; Keeps state in a global that holds a reference.
(module
  (memory (export "memory") 1)
  (global $f (mut funcref) (ref.null func))
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17)))
  (data (i32.const 16) "{\"violations\":[]}"))
