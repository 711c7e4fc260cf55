// Package policy patches and judges mutations by Rego rules, evaluated in process by
// OPA. Its [Policies] are a [plimsoll.Judge].
//
// # Rules
//
// Every rule called deny, violation or warn is collected, in whatever package it
// is (the habit of conftest and Gatekeeper). What they may say:
//
//	deny contains "a reason" if { ... }              one violation for each member
//	deny contains {"msg": "a reason", ...} if { ... }
//	deny["a reason"] if { ... }                      likewise, by key
//	deny[key] := "a reason" if { ... }               one for each value
//	deny := "a reason" if { ... }                    one
//	deny := ["a reason", {"msg": "another"}]         one for each element
//	deny if { ... }                                  one, told by the rule's title
//
// An object has the keys msg (required), field, code, fix, severity and link, all
// of them strings; Gatekeeper's details and any other key are the rule's own and
// are not shown. False, undefined and anything empty say nothing. All else is
// malformed, and malformed never admits: it is a [plimsoll.FaultError].
//
// METADATA annotations of scope rule, document, package and subpackages, nearest
// first, give violations their title, link (related_resources) and severity
// (custom.severity), and say with custom.enforcement whether a deny denies
// ("enforce", the default) or only warns ("warn"). With custom.match they say which
// mutations the rules are asked about.
//
// # Patches
//
// Rules called patch change what is created or updated before the others judge it, see
// [Policies.Patch]. What they may say:
//
//	patch contains {"labels": {"tier": "x", "old": null}}                   a merge object (RFC 7396)
//	patch contains {"op": "add", "path": "/labels/tier", "value": "x"}      an operation (RFC 6902)
//	patch contains [{"op": "add", ...}, {"op": "remove", ...}]              several, in order
//	patch := ...                                                            one of these, or a set of them
//	patch.labels.tier := "x"                                                a merge object
//
// An object that has the key op is an operation, any other is merged. Labels, the image
// and what is inside of a spec can be patched. False and undefined say nothing. All else
// is a [plimsoll.FaultError], as is what two patches say differently of one field.
//
// # The decision log
//
// Rules of the package system.log judge nothing. As for OPA, mask says what of a decision
// is hidden before it is recorded, and drop which decisions are not sent on; their input is
// the event of the decision. See [Policies.Mask] and [Policies.Drop].
//
// # Guarantees
//
//   - Fail closed. A mutation is admitted only if every rule was evaluated and had
//     nothing to say: errors, builtin errors included, and missing results are
//     faults, and an evaluation that takes too long is a [plimsoll.TimeoutError].
//   - Exact attribution. A violation names the package, the rule and the line of
//     the very clause that produced it. (Rules that are not sets are documents
//     that several clauses make together; they are named by their first clause.)
//   - Reproducible. Rules see the input, their data and, if they ask, other
//     containers as of the revision that is judged on, nothing else: builtins that
//     read the clock, the network, files, the environment or randomness do not
//     exist, so the same input gives the same verdict at any time.
//   - Unambiguous input. A document that JSON parsers read differently (duplicate
//     keys, invalid UTF-8) or whose numbers no runtime can represent is refused
//     with a [plimsoll.RequestError]: a rule must not judge one reading while the
//     runtime runs another. Deletes are let through where that is possible. Specs are
//     read only if some rule looks at one.
//   - What was signed. With a [Verifier], every file of every source must be as it was
//     signed, and none may be missing.
//   - Checked at load. Rego is compiled in full against the schema of the input, so
//     a misspelt field fails the load instead of making a rule silent.
//
// [Policies] are immutable and safe for concurrent use. To change them, load new
// ones.
//
// # Limits
//
// Compiling is not interruptible; sources are bounded in size, in rules and in the
// nesting of comprehensions instead. Rules of others should still be compiled in a
// process that can be ended: [Read] gives a [Set], which can be handed to one. This
// package stores nothing, watches no files and speaks to no network.
package policy
