package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// decode makes a Config of merged values, on top of the defaults.
func decode(k *koanf.Koanf, defaults Config) (Config, error) {
	config := defaults
	err := k.Unmarshal("", &config)
	if err == nil {
		return config, nil
	}
	keys := undecodable(err)
	if len(keys) == 0 {
		return config, fmt.Errorf("configuration: %w", err)
	}
	slices.Sort(keys)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(flags, defaults)
	var problems []error
	for _, key := range slices.Compact(keys) {
		name := strings.ReplaceAll(key, "_", "-")
		problems = append(problems, fmt.Errorf("%s: %v is not %s", name, k.Get(key), wanted(flags.Lookup(name))))
	}
	return config, errors.Join(problems...)
}

// undecodable returns the keys whose values cannot be what they should be. The
// library's own messages leave out the values.
func undecodable(err error) []string {
	if e, ok := err.(*mapstructure.DecodeError); ok { //nolint:errorlint // each node of the tree is looked at
		// Of an element of a list, such as policies[1], the list is named.
		key, _, _ := strings.Cut(e.Name(), "[")
		return []string{key}
	}
	var keys []string
	switch e := err.(type) { //nolint:errorlint // likewise
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			keys = append(keys, undecodable(err)...)
		}
	case interface{ Unwrap() error }:
		keys = undecodable(e.Unwrap())
	}
	return keys
}

// wanted says in words what a setting takes.
func wanted(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "duration":
		return "a duration such as 10s"
	case "stringSlice":
		return "a list"
	}
	return "a text"
}
