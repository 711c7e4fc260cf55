;; Extism: its output is its input, read by eight bytes and then by one.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32)
    (local $out i64) (local $n i64) (local $len i64)
    (local.set $len (call $input_length))
    (local.set $out (call $alloc (local.get $len)))
    (if (i64.ne (call $length (local.get $out)) (local.get $len)) (then unreachable))
    (loop $eight
      (if (i64.le_u (i64.add (local.get $n) (i64.const 8)) (local.get $len))
        (then
          (call $store_u64 (i64.add (local.get $out) (local.get $n)) (call $input_load_u64 (local.get $n)))
          (local.set $n (i64.add (local.get $n) (i64.const 8)))
          (br $eight))))
    (loop $one
      (if (i64.lt_u (local.get $n) (local.get $len))
        (then
          (call $store_u8 (i64.add (local.get $out) (local.get $n)) (call $input_load_u8 (local.get $n)))
          (local.set $n (i64.add (local.get $n) (i64.const 1)))
          (br $one))))
    (call $output_set (local.get $out) (local.get $len))
    (i32.const 0)))
