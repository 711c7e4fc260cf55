;; Extism: wants to make requests.
(module
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "validate") (result i32) (i32.const 0)))
