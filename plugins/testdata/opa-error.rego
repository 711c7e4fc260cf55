# OPA: A builtin of it fails, which must not make its deny undefined.
# entrypoints: test/deny
package test

deny contains "x" if units.parse(input.object.id) > 0
