;; Extism: _initialize has a parameter, and memory is not exported.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i32) (result i64)))
  (memory 1)
  (func (export "_initialize") (param i32))
  (func (export "validate") (result i32) (i32.const 0)))
