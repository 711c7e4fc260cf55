;; Finds two violations and a warning, whatever it is asked.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 197)))
  (data (i32.const 16) "{\"violations\":[{\"msg\":\"cwd is not absolute\",\"field\":\"spec.process.cwd\",\"code\":\"CWD\",\"fix\":\"start it with /\"},{\"msg\":\"no args\"}],\"warnings\":[{\"msg\":\"root is writable\",\"field\":\"spec.root.readonly\"}]}"))
