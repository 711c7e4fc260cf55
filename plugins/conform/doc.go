// Package conform tests validators: whether a module, in whichever ABI it speaks, does
// what Plimsoll asks of every validator, on ordinary input and on input from people who
// mean harm.
//
// [Run] puts a module through all checks. Each has a name that stays the same, and a
// result that says what was found. A module that passes comes to an explicit verdict on
// whatever is a request, the same one for the same request every time and on every
// instance, within the default limits of a binding. A module that fails a check is still
// contained by Plimsoll, which then refuses mutations that the module has no verdict on:
// failing means that containers are refused for the module's sake, not for their own.
//
// The checks do not say whether verdicts are right: that is for the author's own tests.
package conform
