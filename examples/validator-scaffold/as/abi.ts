// The contract with Plimsoll: JSON in, JSON out. What the host has the address of is kept
// in globals, so that the garbage collector leaves it alone.
import { JSON } from "json-as";
import { judge, Verdict } from "./validator";

let input = new ArrayBuffer(0);
let output = new ArrayBuffer(0);

export function plimsoll_abi_1(): void {}

export function plimsoll_alloc(n: i32): usize {
  input = new ArrayBuffer(n);
  return changetype<usize>(input);
}

export function plimsoll_validate(ptr: usize, n: i32): u64 {
  output = String.UTF8.encode(JSON.stringify<Verdict>(judge(String.UTF8.decodeUnsafe(ptr, n))));
  return ((<u64>changetype<usize>(output)) << 32) | output.byteLength;
}
