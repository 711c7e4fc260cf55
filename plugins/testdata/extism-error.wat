;; Extism: sets an error, and an output of one byte.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (call $output_set (call $alloc (i64.const 1)) (i64.const 1))
    (call $error_set (call $alloc (i64.const 8)))
    (i32.const 0)))
