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
// Fuel. The rewritten module exports the mutable i64 global [FuelExport]. A host
// sets it before each call. Every instruction that is executed has been paid for
// first: each one costs 1, slow ones more (see cost.go), bulk operations in
// addition by their length, growing memory or a table by what it adds. When the
// fuel would fall below zero the guest traps (unreachable) and the global stays
// negative, which tells running out of fuel from any other trap. The price of a
// call depends on the module and its input only, so it is the same on every
// machine and in every run.
//
// Depth. The mutable i64 global [DepthExport] bounds nested calls in the same way:
// a host sets it to the number of frames allowed; a function that calls others
// subtracts its weight (1, more if it is large, see [frameWeight]) when it is
// entered and adds it back when it returns. Below zero the guest traps and the
// global stays negative. A trap of any kind leaves it where it was, so it must be
// set again before the next call.
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
// the code from there to the end of the block it is in, minus what inner charges
// cover. Code that may be skipped by a branch is paid for in advance only up to the
// amount that is certain to run, or [slack] if that is more. So a call pays for all
// it executes, and for no more than about twice that plus slack per charge.
//
// # Features
//
// WebAssembly 1.0 and, of 2.0: sign extension, saturating float to integer
// conversion, multi-value, bulk memory, reference types, mutable globals. Refused:
// SIMD, threads, tail calls, exceptions, garbage collection and typed references,
// extended constant expressions, 64-bit memory, more than one memory, start
// functions.
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
