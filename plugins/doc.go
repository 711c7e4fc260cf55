// Package plugins judges mutations with validators: WebAssembly modules that
// somebody wrote, in any language, and that are not trusted.
//
// [Load] reads a validators.yaml, which binds modules to the mutations they judge,
// and returns [Validators], a [plimsoll.Judge]. The contracts that modules fulfil are in
// docs/abi.md and package abi; docs/validators.md is the guide for people who write or bind one.
//
// # What is guaranteed
//
// Fail closed. Every validator that a mutation matches comes to an explicit
// verdict, or there is none: a trap, an exit, output that is not a verdict, a
// pointer outside memory, or a panic of the host while it serves the guest is a
// [plimsoll.FaultError]; running out of instructions or of time is a
// [plimsoll.TimeoutError]. A binding with enforcement warn turns all of these, and
// its violations, into warnings; with enforcement shadow they are told beside the
// verdict, and have no part in it.
//
// Isolation. A guest has no files, network, environment, real clock or randomness.
// Its memory, executed instructions, call depth and output are bounded. Modules are
// read by package internal/wasm before the engine sees a byte of them, and only
// what that package wrote is compiled.
//
// Purity. Each call starts from the state that _initialize left when the module was
// loaded, memory and globals, clock and random numbers alike. So a verdict depends
// on the module, the settings and the input alone; nothing of one request can reach
// another one. A module with state that could not be put back is given a fresh instance
// for each call. So what a
// module said may be remembered for requests that are the same. It is, of modules that
// declare what they read of the input, which is then all they are given.
//
// # How a call is bounded
//
// The engine's own way to stop a guest costs ten times the speed and does not stop
// all guests. Instead modules are rewritten to count their instructions down and to
// trap at zero, which is exact and the same on every machine. Limits.Timeout is
// looked at when the guest is back. So the time that a call can hold a processor is
// what Limits.Fuel allows, whatever the context says; waiting for an instance does
// respect the context.
//
// # Concurrency
//
// Validators are immutable after Load and safe for concurrent use. Each binding has
// a pool of instances, at most Limits.Concurrency, made when they are first needed;
// an instance serves one call at a time.
//
// # What this package does not do
//
// It does not watch files: load again, swap, and close the old ones. It does not
// fetch modules from registries: Options.Fetch does. Compiling is bounded by limits on the module's
// shape, not by time.
package plugins
