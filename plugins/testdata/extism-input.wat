;; Extism: reads beyond its input, at the largest offset.
(module
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (drop (call $input_load_u64 (i64.const -4)))
    (i32.const 0)))
