# OPA: Is a number.
# entrypoints: test/verdict
package test

verdict := 1
