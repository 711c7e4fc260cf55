;; Has no validate function.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024)))
