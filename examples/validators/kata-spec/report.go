package main

import (
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Hosts bound a verdict. What is over these is counted only.
const (
	maxFindings = 64
	maxBytes    = 24 << 10
	maxQuote    = 80 // characters of a value that a message quotes
)

// report collects what is found.
type report struct {
	settings             *settings
	violations, warnings findings
}

// violation is what the runtime refuses.
func (r *report) violation(code string, at place, msg, fix string) {
	r.violations.add(code, at, msg, fix)
}

// warning is what the runtime takes otherwise than it reads.
func (r *report) warning(code string, at place, msg, fix string) {
	r.warnings.add(code, at, msg, fix)
}

// trait is what the settings say whether it may be.
func (r *report) trait(name string, at place, msg, fix string) {
	switch code := "forbidden." + name; {
	case r.settings.forbid[name]:
		r.violation(code, at, msg, fix)
	case r.settings.warn[name]:
		r.warning(code, at, msg, fix)
	}
}

func (r *report) verdict() []byte {
	out := append([]byte(`{"violations":`), r.violations.json()...)
	out = append(append(out, `,"warnings":`...), r.warnings.json()...)
	return append(out, '}')
}

type findings struct {
	listed          []byte
	count, unlisted int
}

func (f *findings) add(code string, at place, msg, fix string) {
	if f.count >= maxFindings || len(f.listed) >= maxBytes {
		f.unlisted++
		return
	}
	if f.count++; f.count > 1 {
		f.listed = append(f.listed, ',')
	}
	f.listed = append(f.listed, `{"msg":`...)
	f.listed = appendText(f.listed, msg)
	for _, m := range [][2]string{{"field", at.path()}, {"code", code}, {"fix", fix}} {
		if m[1] != "" {
			f.listed = append(append(f.listed, `,"`...), m[0]...)
			f.listed = appendText(append(f.listed, `":`...), m[1])
		}
	}
	f.listed = append(f.listed, '}')
}

func (f *findings) json() []byte {
	out := append([]byte{'['}, f.listed...)
	if f.unlisted > 0 {
		out = append(out, `,{"msg":"and `+strconv.Itoa(f.unlisted)+` more","code":"report.truncated"}`...)
	}
	return append(out, ']')
}

func appendText(dst []byte, text string) []byte {
	out, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		panic(err) // texts are UTF-8: so is all that was read
	}
	return out
}

// quoted is a value for a message, cut when it is long.
func quoted(text string) string {
	if utf8.RuneCountInString(text) > maxQuote {
		text = string([]rune(text)[:maxQuote]) + "…"
	}
	return strconv.Quote(text)
}
