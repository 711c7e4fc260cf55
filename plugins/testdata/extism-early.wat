;; Extism: uses the kernel in its _initialize.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "_initialize") (drop (call $alloc (i64.const 8))))
  (func (export "validate") (result i32) (i32.const 0)))
