package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// junitElement is what a schema says of an element.
type junitElement struct {
	required, optional []string // attributes
	children           []string
	text               bool
}

// junitSchema is what the schema of JUnit reports, which build servers check reports by,
// says of the elements: that of the xUnit plugin of Jenkins (junit-10.xsd), as far as it and
// the one of Apache Ant agree.
var junitSchema = map[string]junitElement{
	"testsuites": {optional: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
	"testsuite": {
		required: []string{"name", "tests", "failures", "errors", "time"}, optional: []string{"skipped", "timestamp", "hostname", "id", "package"},
		children: []string{"properties", "testcase", "system-out", "system-err"},
	},
	"testcase":   {required: []string{"name", "classname", "time"}, children: []string{"skipped", "error", "failure", "system-out", "system-err"}},
	"failure":    {optional: []string{"message", "type"}, text: true},
	"error":      {optional: []string{"message", "type"}, text: true},
	"skipped":    {optional: []string{"message", "type"}, text: true},
	"system-out": {text: true},
	"system-err": {text: true},
}

// junitNumbers are the attributes that are numbers, and not only strings.
var junitNumbers = []string{"tests", "failures", "errors", "skipped", "time"}

// checkJUnit checks a report by the schema, and that suites count what is in them.
func checkJUnit(r io.Reader) error {
	type open struct {
		name   string
		counts map[string]int // of a suite: by the attribute that says so
		says   map[string]string
	}
	var path []open
	for d := xml.NewDecoder(r); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			element, known := junitSchema[name]
			if !known || len(path) == 0 && name != "testsuites" || len(path) > 0 && !slices.Contains(junitSchema[path[len(path)-1].name].children, name) {
				return fmt.Errorf("%s in %v is not allowed", name, path)
			}
			says := map[string]string{}
			for _, a := range token.Attr {
				if says[a.Name.Local] = a.Value; !slices.Contains(element.required, a.Name.Local) && !slices.Contains(element.optional, a.Name.Local) {
					return fmt.Errorf("%s has an unknown attribute %s", name, a.Name.Local)
				}
				if _, err := strconv.ParseFloat(a.Value, 64); err != nil && slices.Contains(junitNumbers, a.Name.Local) {
					return fmt.Errorf("%s of %s: %w", a.Name.Local, name, err)
				}
			}
			for _, want := range element.required {
				if _, ok := says[want]; !ok {
					return fmt.Errorf("%s has no attribute %s", name, want)
				}
			}
			for i := range path {
				if counted := map[string]string{"testcase": "tests", "failure": "failures", "error": "errors", "skipped": "skipped"}[name]; path[i].name == "testsuite" && counted != "" {
					path[i].counts[counted]++
				}
			}
			path = append(path, open{name, map[string]int{}, says})
		case xml.EndElement:
			last := path[len(path)-1]
			path = path[:len(path)-1]
			for _, counted := range []string{"tests", "failures", "errors", "skipped"} {
				if last.name == "testsuite" && last.says[counted] != strconv.Itoa(last.counts[counted]) {
					return fmt.Errorf("suite %q says %s=%s, and has %d", last.says["name"], counted, last.says[counted], last.counts[counted])
				}
			}
		case xml.CharData:
			if len(path) > 0 && !junitSchema[path[len(path)-1].name].text && len(trimmed(token)) > 0 {
				return fmt.Errorf("%s has text: %q", path[len(path)-1].name, token)
			}
		}
	}
}

func trimmed(text []byte) []byte {
	return slices.DeleteFunc(slices.Clone(text), func(b byte) bool { return b == ' ' || b == '\n' })
}
