//go:build languages

// The test here needs the toolchains of all languages that plimsoll plugin new knows:
// make languages

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestLanguages begins, builds and tests a validator in each language.
func TestLanguages(t *testing.T) {
	vars := map[string]string{"HOME": os.Getenv("HOME")} // where toolchains keep what they fetched
	for _, name := range []string{"GOCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		vars[name] = strings.TrimSpace(string(out))
	}
	for _, language := range scaffoldLanguages() {
		t.Run(language, func(t *testing.T) {
			runScripts(t, "testdata/languages", map[string]string{
				"LANGUAGE": language, "HOME": vars["HOME"], "GOCACHE": vars["GOCACHE"], "GOPATH": vars["GOPATH"],
			})
		})
	}
}
