// Package policytest runs the tests of policies: rules called test_… in files called
// *_test.rego, with OPA's own runner, and suites of cases.
//
// A case of a suite is a mutation, the state it meets, and what is to come of it: see
// [Suite]. This package reads suites and compares what came of a case with what was
// expected; the mutation itself is made by whoever has the parts for it, through a
// [Run].
//
// It stores nothing, and reads what a [policy.Workspace] has.
package policytest
