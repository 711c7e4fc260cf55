# OPA: Finds nothing.
# entrypoints: test/deny
package test

deny contains "never" if input.object.id == ""
