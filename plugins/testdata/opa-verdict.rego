# OPA: Is a verdict.
# entrypoints: test/verdict
package test

verdict := {"violations": ["of a verdict"], "warnings": []}
