;; Extism: allocates a mebibyte again and again.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (loop $again (drop (call $alloc (i64.const 1048576))) (br $again))
    (i32.const 0)))
