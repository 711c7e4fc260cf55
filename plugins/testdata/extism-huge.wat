;; Extism: allocates more than there can be.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (drop (call $alloc (i64.const -1)))
    (i32.const 0)))
