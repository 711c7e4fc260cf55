;; Extism: uses a block that it has given back.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (local $block i64)
    (local.set $block (call $alloc (i64.const 8)))
    (drop (call $alloc (i64.const 8)))
    (call $free (local.get $block))
    (drop (call $var_get (local.get $block)))
    (i32.const 0)))
