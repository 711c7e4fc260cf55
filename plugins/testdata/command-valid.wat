;; A WASI command: writes an empty verdict in two parts and returns.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 16)) (then unreachable)))
  (data (i32.const 0) "\20\00\00\00\0e\00\00\00\2e\00\00\00\03\00\00\00")
  (data (i32.const 32) "{\"violations\":[]}"))
