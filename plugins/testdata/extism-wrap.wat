;; Extism: an output whose end is beyond 64 bits.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (drop (call $alloc (i64.const 64)))
    (call $output_set (i64.const -8) (i64.const 16))
    (i32.const 0)))
