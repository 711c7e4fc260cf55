// Package layering holds the module to its architecture: imports point one way,
// from the commands through internal/server to the parts, and from the parts to
// the vocabulary in the root package. A part never imports its neighbour; what
// it needs of one is a small interface that internal/server satisfies.
//
// It has no code but its tests. The rules are data, each ban with its reason, in
// bans_test.go; they are about what is built into a program, so imports of tests
// are free. The imports are those of the platform that the tests run on.
//
// The rules do not say which libraries may be used, only who may use the ones
// that stand for a part: Badger for a store, wazero for plugins, OPA for policy.
package layering
