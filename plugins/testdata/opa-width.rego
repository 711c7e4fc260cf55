# OPA: Prints a number as wide as can be.
# entrypoints: test/deny
package test

deny contains sprintf("%999999d", [input.version])
