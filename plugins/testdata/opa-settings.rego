# OPA: Finds what the settings say.
# entrypoints: test/deny
package test

deny contains input.settings.say
