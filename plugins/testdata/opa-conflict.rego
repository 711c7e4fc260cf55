# OPA: Has two values.
# entrypoints: test/verdict
package test

verdict := [] if input.version == 1

verdict := ["x"] if input.operation == "CREATE"
