;; Blocks, loops, ifs and every kind of branch, with and without values.
(module
  (func $collatz (export "collatz") (param $n i32) (result i32) (local $steps i32)
    (local.set $n (i32.and (local.get $n) (i32.const 0xffff)))
    (block $done
      (loop $next
        (br_if $done (i32.le_u (local.get $n) (i32.const 1)))
        (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
        (if (i32.and (local.get $n) (i32.const 1))
          (then (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 3)) (i32.const 1))))
          (else (local.set $n (i32.shr_u (local.get $n) (i32.const 1)))))
        (br $next)))
    (local.get $steps))

  ;; A br_table whose targets are at every depth, the function's own block included.
  (func (export "table") (param $n i32) (result i32)
    (block $c
      (block $b
        (block $a
          (i32.const 99)
          (br_table 3 3 3 (i32.add (local.get $n) (i32.const 0)))))
      (return (i32.const 10)))
    (i32.const 20))
  (func (export "switch") (param $n i32) (result i32) (local $r i32)
    (block $default
      (block $two
        (block $one
          (block $zero
            (br_table $zero $one $two $default (local.get $n)))
          (local.set $r (i32.add (local.get $r) (i32.const 1))))
        (local.set $r (i32.add (local.get $r) (i32.const 10)))
        (br_if $default (i32.eq (local.get $n) (i32.const 1))))
      (return (i32.add (local.get $r) (i32.const 1000))))
    (local.get $r))

  ;; Returns from inside of everything, and code after them that is not reached.
  (func (export "early") (param $n i32) (result i64) (local $i i32)
    (if (i32.eqz (local.get $n)) (then (return (i64.const -1))))
    (loop $again
      (block
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 10)))
        (return (i64.extend_i32_u (local.get $i)))
        (unreachable)
        (drop))
      (local.set $i (i32.add (local.get $i) (local.get $n)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 1000)))
      (br 1 (i64.const 7))
      (loop (br 0)))
    (i64.const 8))

  ;; A branch to the function's own block that carries its result.
  (func (export "outermost") (param $n i32) (result i32)
    (block
      (drop (br_if 1 (i32.const 5) (i32.gt_s (local.get $n) (i32.const 3))))
      (drop (call $collatz (local.get $n))))
    (i32.const 6))

  ;; Loops in loops, left and continued from inside.
  (func (export "nested") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $s i32)
    (local.set $n (i32.and (local.get $n) (i32.const 31)))
    (block $out
      (loop $outer
        (br_if $out (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $j (i32.const 0))
        (loop $inner
          (br_if $outer (i32.ge_u (local.get $j) (local.get $i)))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $inner (i32.and (local.get $j) (i32.const 1)))
          (local.set $s (i32.add (local.get $s) (call $collatz (local.get $j))))
          (br $inner))))
    (local.get $s))

  (func (export "select") (param $n i32) (result i64)
    (i64.add
      (select (i64.const 1) (i64.const 2) (local.get $n))
      (select (result i64) (i64.const 10) (i64.const 20) (i32.eqz (local.get $n)))))

  (func (export "trap") (param $n i32) (result i32)
    (if (result i32) (i32.eq (local.get $n) (i32.const 2))
      (then (unreachable))
      (else (i32.div_s (i32.const 100) (local.get $n)))))

  (func $fib (export "fib") (param $n i32) (result i32)
    (local.set $n (i32.and (local.get $n) (i32.const 15)))
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add
        (call $fib (i32.sub (local.get $n) (i32.const 1)))
        (call $fib (i32.sub (local.get $n) (i32.const 2))))))))
