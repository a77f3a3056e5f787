/** Components in the text format. */

/** Memory, and an allocator that only ever takes: what values that are passed need. */
const ALLOCATING = `
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 1024))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))`;

/** `describe(name, { x, y }) -> { text, sum }`, `sum-up(list<s32>) -> s64`, `halve(u32) -> result<u32, string>`. */
export const VALUES = `(component
  (core module $m ${ALLOCATING}
    (data (i32.const 64) "it is odd")
    (func (export "describe") (param $name i32) (param $length i32) (param $x i32) (param $y f64)
      (result i32)
      (i32.store (i32.const 16) (local.get $name))
      (i32.store (i32.const 20) (local.get $length))
      (f64.store (i32.const 24) (f64.add (f64.convert_i32_s (local.get $x)) (local.get $y)))
      (i32.const 16))
    (func (export "sum-up") (param $at i32) (param $count i32) (result i64)
      (local $sum i64)
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $sum (i64.add (local.get $sum) (i64.load32_s (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
      (local.get $sum))
    (func (export "halve") (param i32) (result i32)
      (if (i32.and (local.get 0) (i32.const 1))
        (then
          (i32.store (i32.const 32) (i32.const 1))
          (i32.store (i32.const 36) (i32.const 64))
          (i32.store (i32.const 40) (i32.const 9)))
        (else
          (i32.store (i32.const 32) (i32.const 0))
          (i32.store (i32.const 36) (i32.shr_u (local.get 0) (i32.const 1)))))
      (i32.const 32)))
  (core instance $i (instantiate $m))
  (type $p (record (field "x" s32) (field "y" f64)))
  (import "point" (type $point (eq $p)))
  (type $d (record (field "text" string) (field "sum" f64)))
  (import "described" (type $described (eq $d)))
  (func $describe (param "name" string) (param "at" $point) (result $described)
    (canon lift (core func $i "describe") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func $sum (param "numbers" (list s32)) (result s64)
    (canon lift (core func $i "sum-up") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func $halve (param "number" u32) (result (result u32 (error string)))
    (canon lift (core func $i "halve") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (export "describe" (func $describe))
  (export "sum-up" (func $sum))
  (export "halve" (func $halve)))`;

/** An interface: `docs:math/scale@1.2.0` with `twice-of(u32) -> u32`. */
export const INTERFACE = `(component
  (core module $m (func (export "f") (param i32) (result i32)
    (i32.mul (local.get 0) (i32.const 2))))
  (core instance $i (instantiate $m))
  (func $f (param "number" u32) (result u32) (canon lift (core func $i "f")))
  (instance $scale (export "twice-of" (func $f)))
  (export "docs:math/scale@1.2.0" (instance $scale)))`;

/** `spin()` never returns, `grow() -> u32` grows its memory until it cannot and tells its pages, `dive()` calls itself. */
export const GREEDY = `(component
  (core module $m
    (memory 1)
    (func (export "spin") (loop $again (br $again)))
    (func (export "grow") (result i32)
      (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
      (memory.size))
    (func $dive (export "dive") (param i32) (result i32)
      (i32.add (call $dive (i32.add (local.get 0) (i32.const 1))) (i32.const 1))))
  (core instance $i (instantiate $m))
  (func $spin (canon lift (core func $i "spin")))
  (func $grow (result u32) (canon lift (core func $i "grow")))
  (func $dive (param "from" u32) (result u32) (canon lift (core func $i "dive")))
  (export "spin" (func $spin))
  (export "grow" (func $grow))
  (export "dive" (func $dive)))`;

/** Wants a database, a host function, and HTTP. */
export const WANTING = `(component
  (import "docs:db/store@1.0.0" (instance $db (export "get" (func (param "key" u32) (result u32)))))
  (import "notify" (func $notify))
  (import "wasi:http/outgoing-handler@0.2.0" (instance $http (export "handle" (func))))
  (core func $get (canon lower (func $db "get")))
  (core func $notify (canon lower (func $notify)))
  (core func $handle (canon lower (func $http "handle")))
  (core module $m
    (import "db" "get" (func (param i32) (result i32)))
    (import "db" "notify" (func))
    (import "db" "handle" (func))
    (func (export "run") (result i32) (call 0 (i32.const 1))))
  (core instance $given (export "get" (func $get)) (export "notify" (func $notify))
    (export "handle" (func $handle)))
  (core instance $i (instantiate $m (with "db" (instance $given))))
  (func $run (result u32) (canon lift (core func $i "run")))
  (export "run" (func $run)))`;

/** `look() -> u64` asks for random numbers and for the time. */
export const LOOKING = `(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (core func $number (canon lower (func $random "get-random-u64")))
  (core func $now (canon lower (func $clock "now")))
  (core module $m
    (import "host" "number" (func $number (result i64)))
    (import "host" "now" (func $now (result i64)))
    (func (export "look") (result i64) (i64.xor (call $number) (call $now))))
  (core instance $host (export "number" (func $number)) (export "now" (func $now)))
  (core instance $i (instantiate $m (with "host" (instance $host))))
  (func $look (result u64) (canon lift (core func $i "look")))
  (export "look" (func $look)))`;

/** `take(u32)` asks for its standard output so many times, and holds all of them. */
export const TAKING = `(component
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type (sub resource)))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o))
    (export "output-stream" (type $stream (eq $o)))
    (export "get-stdout" (func (result (own $stream))))))
  (core func $get (canon lower (func $stdout "get-stdout")))
  (core module $m
    (import "host" "get" (func $get (result i32)))
    (func (export "take") (param $left i32)
      (loop $again
        (drop (call $get))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))))
  (core instance $host (export "get" (func $get)))
  (core instance $i (instantiate $m (with "host" (instance $host))))
  (func $take (param "times" u32) (canon lift (core func $i "take")))
  (export "take" (func $take)))`;

/** A type of 2^levels numbers. */
export function doubling(levels: number): string {
  const types = Array.from(
    { length: levels },
    (_, level) => `(type $t${level + 1} (tuple $t${level} $t${level}))`,
  );
  return `(component
    (type $t0 (tuple u8 u8)) ${types.join(' ')}
    (core module $m ${ALLOCATING} (func (export "f") (param i32)))
    (core instance $i (instantiate $m))
    (func $f (param "a" $t${levels})
      (canon lift (core func $i "f") (memory (core memory $i "memory"))
        (realloc (core func $i "realloc"))))
    (export "f" (func $f)))`;
}

/** Two modules that call one another: `work()` spins in the second, by way of the first. */
export const LINKED = `(component
  (core module $inner
    (func (export "rounds") (param $left i32) (result i32)
      (loop $again
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))
      (local.get $left)))
  (core module $outer
    (import "inner" "rounds" (func $rounds (param i32) (result i32)))
    (func (export "work") (param i32) (result i32) (call $rounds (local.get 0))))
  (core instance $a (instantiate $inner))
  (core instance $b (instantiate $outer (with "inner" (instance $a))))
  (func $work (param "rounds" u32) (result u32) (canon lift (core func $b "work")))
  (export "work" (func $work)))`;

export function manyInstances(count: number): string {
  const instances = '(core instance (instantiate $m))'.repeat(count);
  return `(component (core module $m (func (export "f"))) ${instances}
    (core instance $last (instantiate $m))
    (func $f (canon lift (core func $last "f")))
    (export "f" (func $f)))`;
}

/** A core module whose export has that name, which stands in the glue. */
export function named(name: string): string {
  const text = JSON.stringify(name);
  return `(component
    (core module $m (func (export ${text})))
    (core module $n (import "m" ${text} (func)) (func (export "f") (call 0)))
    (core instance $i (instantiate $m))
    (core instance $j (instantiate $n (with "m" (instance $i))))
    (func $f (canon lift (core func $j "f")))
    (export "f" (func $f)))`;
}
