;; What must not run for ever, nor deep.
(module
  (memory 16)
  (table 1 funcref)
  (func (export "empty"))
  (func (export "loop") (loop (br 0)))
  (func (export "loop_call") (loop (call $leaf) (br 0)))
  (func $leaf)
  (func (export "loop_if") (param i32) (loop (if (i32.eqz (local.get 0)) (then (br 1)))) )
  (func (export "loop_table") (param i32) (loop $l (br_table $l $l $l (local.get 0))))
  ;; Twice itself, 64 levels deep: too deep for nobody, too long for everybody.
  (func $tree (export "tree") (param i32)
    (if (local.get 0)
      (then
        (call $tree (i32.sub (local.get 0) (i32.const 1)))
        (call $tree (i32.sub (local.get 0) (i32.const 1))))))
  (func $recurse (export "recurse") (call $recurse))
  (func $ping (export "mutual") (param i64) (result i64)
    (call $pong (i64.add (local.get 0) (i64.const 1))))
  (func $pong (param i64) (result i64)
    (call $ping (i64.add (local.get 0) (i64.const 1))))
  (func (export "indirect") (call_indirect (i32.const 0)))
  (elem (i32.const 0) $again)
  (func $again (call_indirect (i32.const 0)))
  (func (export "fill")
    (loop
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x100000))
      (br 0)))
  (func (export "copy")
    (loop
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 0xfffff))
      (br 0)))
  (func (export "grow") (loop (drop (memory.grow (i32.const 1))) (br 0)))
  (func (export "grow_much") (drop (memory.grow (i32.const -1))))
  (func (export "table_grow") (loop (drop (table.grow 0 (ref.null func) (i32.const 1))) (br 0)))
  ;; Trap on their own.
  (func (export "unreachable") (unreachable))
  (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0)))))
