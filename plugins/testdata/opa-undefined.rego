# OPA: Is undefined.
# entrypoints: test/verdict
package test

verdict := {"violations": []} if input.object.id == ""
