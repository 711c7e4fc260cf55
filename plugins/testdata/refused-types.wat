;; Has every function with a wrong type.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i64) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param i32 i32) (result i32) (i32.const 16))
  (func (export "plimsoll_validate_settings") (param i32) (result i64) (i64.const 16))
  (func (export "_initialize") (param i32)))
