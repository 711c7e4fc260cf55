package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// selectFlags say which containers are meant.
type selectFlags struct {
	filters  []string
	selector string
}

const selectHelp = `
A filter is in containerd's grammar: conditions joined by commas, all of which must
hold; == and != compare, ~= matches a regular expression, a field alone asks whether
it is there. Fields are id, image, runtime.name, snapshotter, snapshot_key,
sandbox_id and labels.KEY. Of several --filter one must hold.

A selector (-l) is in kubectl's grammar, about labels only: key=value, key!=value,
key, !key, key in (a,b), key notin (a,b), joined by commas. It must hold besides.`

func (f *selectFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.filters, "filter", nil, "only containers that match this `filter`; repeatable, one must match")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "only containers whose labels match this `selector`, such as team=core,!canary")
}

// all returns the filters to send: each given one together with the selector.
func (f *selectFlags) all() ([]string, error) {
	labels, err := selectorFilter(f.selector)
	if err != nil {
		return nil, usagef("--selector: %v", err)
	}
	if labels == "" {
		return f.filters, nil
	}
	if len(f.filters) == 0 {
		return []string{labels}, nil
	}
	var all []string
	for _, filter := range f.filters {
		if strings.TrimSpace(filter) == "" { // selects all
			filter = labels
		} else {
			filter += "," + labels
		}
		all = append(all, filter)
	}
	return all, nil
}

// The parts of a selector. What stands between commas is one of them; the commas in
// parentheses are part of it.
var (
	requirement = regexp.MustCompile(`^\s*((?:[^,()]|\([^()]*\))*)(,|$)`)
	equality    = regexp.MustCompile(`^([^\s=!()<>]+)\s*(==|=|!=)\s*([^\s=!()<>]*)$`)
	membership  = regexp.MustCompile(`^([^\s=!()<>]+)\s+(in|notin)\s*\(([^()]*)\)$`)
	presence    = regexp.MustCompile(`^(!?)\s*([^\s=!()<>]+)$`)
)

// selectorFilter translates a selector of labels, in kubectl's grammar, into a
// filter in containerd's.
func selectorFilter(selector string) (string, error) {
	var conditions []string
	for rest := selector; strings.TrimSpace(rest) != ""; {
		m := requirement.FindStringSubmatch(rest)
		if m == nil {
			return "", fmt.Errorf("%q: a parenthesis is open or too many", rest)
		}
		translated, err := condition(strings.TrimSpace(m[1]))
		if err != nil {
			return "", err
		}
		conditions = append(conditions, translated...)
		rest = rest[len(m[0]):]
		if m[2] == "," && strings.TrimSpace(rest) == "" {
			return "", fmt.Errorf("%q: nothing after the last comma", selector)
		}
	}
	return strings.Join(conditions, ","), nil
}

// condition translates one requirement. A label that is not there has the empty
// value for != and ~=, and none is stored with an empty value.
func condition(text string) ([]string, error) {
	label := func(key, operator, value string) string {
		return "labels." + strconv.Quote(key) + operator + strconv.Quote(value)
	}
	if m := equality.FindStringSubmatch(text); m != nil {
		switch {
		case m[3] == "" && m[2] == "!=":
			return []string{"labels." + strconv.Quote(m[1])}, nil
		case m[3] == "":
			return []string{label(m[1], "~=", "^$")}, nil
		case m[2] == "!=":
			return []string{label(m[1], "!=", m[3])}, nil
		}
		return []string{label(m[1], "==", m[3])}, nil
	}
	if m := membership.FindStringSubmatch(text); m != nil {
		var values, exclusions []string
		for _, value := range strings.Split(m[3], ",") {
			value = strings.TrimSpace(value)
			values = append(values, regexp.QuoteMeta(value))
			exclusions = append(exclusions, label(m[1], "!=", value))
		}
		if m[2] == "notin" {
			return exclusions, nil
		}
		return []string{label(m[1], "~=", "^("+strings.Join(values, "|")+")$")}, nil
	}
	if m := presence.FindStringSubmatch(text); m != nil {
		if m[1] == "!" {
			return []string{label(m[2], "~=", "^$")}, nil
		}
		return []string{"labels." + strconv.Quote(m[2])}, nil
	}
	return nil, fmt.Errorf("%q is none of key=value, key!=value, key, !key, key in (a,b), key notin (a,b); for more there is --filter", text)
}
