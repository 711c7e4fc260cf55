// Package docs holds the test that what the documentation shows is true: every
// console block of README.md and docs/ is run and its output compared, every Rego
// block is compiled, every YAML and JSON block parsed, and every excerpt of a client is
// looked for in the examples.
//
// The commands need bash, curl, python3 and grpcurl, which a machine with nothing but Go
// does not have, so the test has the build tag docs: go test -tags docs ./internal/docs
package docs
