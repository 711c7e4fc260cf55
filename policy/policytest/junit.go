package policytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
	duration time.Duration
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Skipped *struct{}     `xml:"skipped,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML: a suite for each package and each file of
// cases. Coverage is not in it.
func (r *Report) WriteJUnit(w io.Writer) error {
	var all junitSuites
	index := map[string]int{}
	for _, result := range r.Results {
		i, ok := index[result.Group]
		if !ok {
			i = len(all.Suites)
			index[result.Group] = i
			all.Suites = append(all.Suites, junitSuite{Name: result.Group})
		}
		all.Suites[i].add(result)
	}
	for i := range all.Suites {
		all.Suites[i].Time = seconds(all.Suites[i].duration)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(r Result) {
	c := junitCase{Class: r.Group, Name: inXML(r.Name), File: r.File, Line: r.Line, Time: seconds(r.Duration), Output: inXML(r.Output)}
	text := inXML(r.Detail)
	first, _, _ := strings.Cut(text, "\n")
	problem := &junitProblem{Message: first, Text: text}
	s.Tests++
	s.duration += r.Duration
	switch r.Outcome {
	case Failed:
		s.Failures++
		c.Failure = problem
	case Broken:
		s.Errors++
		c.Error = problem
	case Skipped:
		s.Skipped++
		c.Skipped = &struct{}{}
	case Passed:
	}
	s.Cases = append(s.Cases, c)
}

// inXML leaves out what XML has no way to say, not even escaped.
func inXML(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
