// Package rego gives compiled Rego policies the builtins that OPA's compiler leaves to
// the host, as OPA itself evaluates them. It is the one package of the validators that
// knows OPA, and it knows values and functions on them only: no policies, no wasm.
//
// Operands and results are text, JSON and what Rego has beyond it: sets, {1, 2} and
// set(), and objects with keys of any kind. The text comes from a guest, so it is read
// strictly and within bounds, and everything is paid for before it is done: by the byte,
// by the pairs of members that collide for sets and objects, and by what it can come to
// for sprintf.
//
// Only builtins are given that are functions of their operands, and whose time grows
// with the size of these. Everything here is safe for concurrent use.
package rego
