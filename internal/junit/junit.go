// Package junit writes reports of tests as JUnit XML, as build servers read it.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Suite is tests that belong together.
type Suite struct {
	Name  string
	Cases []Case
}

// Case is a test. It passed, unless one of Failure, Error and Skipped says otherwise.
type Case struct {
	Class, Name string
	// File and Line are where it is; left out if File is empty.
	File     string
	Line     int
	Duration time.Duration
	// Failure is why it failed, and Error why there was no result.
	Failure, Error string
	Skipped        bool
	// Output is what it printed.
	Output string
}

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Class   string    `xml:"classname,attr"`
	Name    string    `xml:"name,attr"`
	File    string    `xml:"file,attr,omitempty"`
	Line    int       `xml:"line,attr,omitempty"`
	Time    string    `xml:"time,attr"`
	Failure *problem  `xml:"failure,omitempty"`
	Error   *problem  `xml:"error,omitempty"`
	Skipped *struct{} `xml:"skipped,omitempty"`
	Output  string    `xml:"system-out,omitempty"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Write writes suites as one document.
func Write(w io.Writer, all []Suite) error {
	var document suites
	for _, s := range all {
		document.Suites = append(document.Suites, s.document())
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s Suite) document() suite {
	out := suite{Name: sayable(s.Name), Tests: len(s.Cases)}
	var duration time.Duration
	for _, c := range s.Cases {
		one := testCase{
			Class: sayable(c.Class), Name: sayable(c.Name), File: sayable(c.File), Line: c.Line,
			Time: seconds(c.Duration), Output: sayable(c.Output),
		}
		switch {
		case c.Failure != "":
			out.Failures++
			one.Failure = problemOf(c.Failure)
		case c.Error != "":
			out.Errors++
			one.Error = problemOf(c.Error)
		case c.Skipped:
			out.Skipped++
			one.Skipped = &struct{}{}
		}
		duration += c.Duration
		out.Cases = append(out.Cases, one)
	}
	out.Time = seconds(duration)
	return out
}

func problemOf(text string) *problem {
	text = sayable(text)
	first, _, _ := strings.Cut(text, "\n")
	return &problem{Message: first, Text: text}
}

// sayable leaves out what XML has no way to say, not even escaped.
func sayable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
