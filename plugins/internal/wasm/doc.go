// Package wasm reads untrusted WebAssembly modules strictly and rewrites them so
// that running them is metered. It is what stands between a validator somebody
// wrote and the runtime: the runtime sees only bytes that came out of
// [Instrument].
//
// # What is guaranteed
//
// Reading. Every count is checked against the bytes that are left and against a
// limit of [Caps] before anything is allocated for it; every index (type,
// function, table, global, segment, local, label) is in range; every opcode,
// section, type and flag that is not known is refused. Reading never panics, takes
// time linear in the module, and allocates a small multiple of its size. A refusal
// is a [*LimitError], which names the limit, the value found and the value allowed,
// or a [*FormatError], which says where in the module the fault is.
//
// Fuel. The rewritten module exports the mutable i64 global [FuelExport], which is 0
// until a host sets it. It does so before each call, that of _initialize included.
// Every instruction that is executed has been paid for first: a plain one costs 1,
// slow ones more, bulk operations in addition by their length, growing memory or a
// table by what it is to grow by, whether or not it can (cost.go has the prices).
// When the fuel would fall below zero the guest traps (unreachable) and the global
// is left negative, which tells running out of fuel from any other trap. The price of
// a call depends on the module, its state and its input only: it is the same on
// every machine and in every run. After a call that returned, what was taken is
// exact; after any other trap the global may show more than is left.
//
// Depth. The mutable i64 global [DepthExport] bounds nested calls in the same way. A
// host sets it to the number of frames allowed before each call. A function that
// calls others takes its weight when it is entered and gives it back when it returns:
// 1, and 1 more for every 64 values that its frame may hold, so that a unit is some
// 512 bytes of stack. Below zero the guest traps and the global is left negative. A
// trap of any kind leaves it as it was then, which is why it has to be set again.
//
// State. Every mutable global of the module is exported under some name and listed
// in [Module].Globals, so that a host can put the values back after a call.
// [Module].Unrestorable names the instructions, if there are any, which change
// state that globals and linear memory do not hold.
//
// # What is charged, and how exactly
//
// A charge is placed at the entry of each function, at the head of each loop, and
// wherever conditional code has grown too long to be paid for in advance. It covers
// the code from there to the end of the block it is in, but for what inner charges
// cover. Code that a branch may skip is paid for in advance only up to the price of
// what is certain to run, or 16 if that is more. So a call pays for all that it
// executes, and for hardly more than twice that where that is large; a function is
// not charged for the cases of a switch that it does not take.
//
// # Features
//
// WebAssembly 1.0 and, of 2.0: sign extension, saturating float to integer
// conversion, multi-value, bulk memory, reference types, mutable globals. Refused:
// SIMD, threads, tail calls, exceptions, garbage collection and typed references,
// extended constant expressions, 64-bit memory, more than one memory. A start
// function is not run on its own: it becomes an export.
//
// # What is not done
//
// Types of operands are not checked: a module that Instrument accepts may still be
// invalid, and the runtime's validator, which runs next, is what refuses it.
// Imports are listed, not judged. Time spent in the runtime's compiler is bounded
// only by Caps. Time spent in imported functions is not charged.
//
// Everything here is safe for concurrent use: there is no shared state.
package wasm
