# OPA: Joins large sets.
# entrypoints: test/deny
package test

deny contains "x" if {
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a + b == 0
}
