;; Takes no settings but {}.
(module
  (memory (export "memory") 1)
  (func (export "plimsoll_abi_1"))
  (func (export "plimsoll_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "plimsoll_validate") (param $ptr i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17)))
  (func (export "plimsoll_validate_settings") (param $ptr i32) (param $len i32) (result i64)
    (select
      (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 17))
      (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 81))
      (i32.eq (i32.load16_u (local.get $ptr)) (i32.const 0x7d7b))))
  (data (i32.const 16) "{\"violations\":[]}")
  (data (i32.const 64) "{\"violations\":[{\"msg\":\"unknown trait\",\"field\":\"forbid\",\"fix\":\"use a known one\"}]}"))
