// Package policytool is what those who write policies use beside their tests: it
// evaluates queries, explains which clauses of rules hold for an input and which do not
// and why, profiles rules, and formats sources. All of it is OPA's own, over what a
// [policy.Workspace] compiles.
//
// What it returns quotes the input: it is for the person who has it.
package policytool
