# OPA: Finds something in every way.
# entrypoints: test/deny test/warn
package test

deny contains "a text"

deny contains {"msg": sprintf("set %v, number %d, %q", [{"b", "a"}, 3, "x"]), "field": "spec", "code": "C", "fix": "F"}

deny contains {"msg": "a warning", "severity": "warn"}

warn contains "by its entrypoint"
