# OPA: Prints a long text again and again.
# entrypoints: test/deny
package test

deny contains sprintf(f, [text]) if {
	text := concat("", [c | some i in numbers.range(1, 5000); c := sprintf("%d", [i])])
	f := concat("", [c | some i in numbers.range(1, 5000); c := "%[1]s"])
}
