package plugins

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// Metadata is what a module says about itself, in its custom section
// plimsoll.validator, as JSON. It can be read without running the module, and a
// binding takes from it what it does not say itself.
type Metadata struct {
	// Name is the validator's name: lower case letters, digits, dots and dashes.
	Name string `json:"name"`
	// Version is the validator's own version, such as 1.0.0.
	Version string `json:"version"`
	// ABI is the contract that the module fulfils: abi.Native, unless it says otherwise.
	ABI abi.Kind `json:"abi"`
	// Runtimes, SpecTypes and Operations are what it can judge: see [Match].
	Runtimes   []string             `json:"runtimes,omitempty"`
	SpecTypes  []string             `json:"spec_types,omitempty"`
	Operations []plimsoll.Operation `json:"operations,omitempty"`
	// Reads are the paths of the input document that it looks at, such as object.spec:
	// see [plimsoll.InputPaths]. It is given nothing else, and a verdict is remembered
	// for every request that is the same in these. Nil stands for the whole document.
	Reads []string `json:"reads,omitempty"`
	// Settings is a JSON Schema that a binding's settings must satisfy. It may
	// refer to itself alone.
	Settings json.RawMessage `json:"settings,omitempty"`
	// Docs is a URL that every violation links to.
	Docs string `json:"docs,omitempty"`
}

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$`)

// maxMetadataBytes bounds the metadata section. Most of it is the schema of settings.
const maxMetadataBytes = 256 << 10

// ErrNoMetadata says that a module has no plimsoll.validator section.
var ErrNoMetadata = errors.New("the module has no " + abi.MetadataSection + " section")

// ParseMetadata reads metadata from JSON. Unknown members are errors, because a
// misspelt one would widen what the validator is used for. All problems are
// reported, joined.
func ParseMetadata(raw []byte) (Metadata, error) {
	m, err := parseMetadata(raw)
	return m, errors.Join(err, m.checkSchema())
}

// parseMetadata leaves the schema of settings alone: compiling one takes as long as whoever
// wrote it likes.
func parseMetadata(raw []byte) (Metadata, error) {
	var m Metadata
	errs := decodeObject("", raw, map[string]any{
		"name": &m.Name, "version": &m.Version, "abi": &m.ABI, "runtimes": &m.Runtimes, "spec_types": &m.SpecTypes,
		"operations": &m.Operations, "reads": &m.Reads, "settings": &m.Settings, "docs": &m.Docs,
	})
	return m, errors.Join(append(errs, m.check())...)
}

func (m Metadata) check() error {
	var errs []error
	if err := checkName(m.Name); err != nil {
		errs = append(errs, err)
	}
	if !m.ABI.Known() {
		errs = append(errs, fmt.Errorf("abi: it is %d, and this Plimsoll speaks %d", m.ABI, abi.Version))
	}
	match := Match{Runtimes: m.Runtimes, SpecTypes: m.SpecTypes, Operations: m.Operations}
	errs = append(errs, match.check("")...)
	errs = append(errs, checkReads(m.Reads)...)
	return errors.Join(append(errs, m.checkSizes())...)
}

func (m Metadata) checkSchema() error {
	_, err := compileSchema(m.Settings)
	return err
}

// Bounds on what goes with every finding, or is looked at for every request.
const (
	maxVersionBytes = 64
	maxDocsBytes    = 2 << 10
	maxPatterns     = 64 // in a list
	maxPatternBytes = 255
)

func (m Metadata) checkSizes() error {
	var errs []error
	for _, text := range []struct {
		name, value string
		limit       int
	}{{"version", m.Version, maxVersionBytes}, {"docs", m.Docs, maxDocsBytes}} {
		if len(text.value) > text.limit {
			errs = append(errs, fmt.Errorf("%s: it has %d bytes, more than the limit of %d", text.name, len(text.value), text.limit))
		} else if strings.ContainsFunc(text.value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			errs = append(errs, fmt.Errorf("%s: %q has characters that are not printed", text.name, text.value))
		}
	}
	for _, list := range []struct {
		name     string
		patterns []string
	}{{"runtimes", m.Runtimes}, {"spec_types", m.SpecTypes}} {
		if len(list.patterns) > maxPatterns {
			errs = append(errs, fmt.Errorf("%s: it has %d patterns, more than the limit of %d", list.name, len(list.patterns), maxPatterns))
		}
		for i, pattern := range list.patterns {
			if len(pattern) > maxPatternBytes {
				errs = append(errs, fmt.Errorf("%s[%d]: the pattern has %d bytes, more than the limit of %d", list.name, i, len(pattern), maxPatternBytes))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// checkReads finds the paths that the input document does not have.
func checkReads(paths []string) []error {
	if paths != nil && len(paths) == 0 {
		return []error{errors.New("reads: an empty list reads nothing; leave it out to read everything")}
	}
	known := plimsoll.InputPaths()
	var errs []error
	for i, path := range paths {
		if slices.Contains(known, path) {
			continue
		}
		hint := suggestion(path, known)
		if part, ok := longestPrefix(path, known); ok {
			hint = fmt.Sprintf("; it is cut no finer than %q", part)
		}
		errs = append(errs, fmt.Errorf("reads[%d]: the input document has no %q%s", i, path, hint))
	}
	return errs
}

// longestPrefix returns the longest of paths that leads to path and has no members of its
// own that could be meant.
func longestPrefix(path string, paths []string) (string, bool) {
	for at := strings.LastIndexByte(path, '.'); at > 0; at = strings.LastIndexByte(path[:at], '.') {
		if prefix := path[:at]; slices.Contains(paths, prefix) {
			return prefix, !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, prefix+".") })
		}
	}
	return "", false
}

func checkName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("name: %q is not a name; use up to 64 lower case letters, digits, dots and dashes", name)
	}
	return nil
}

// ReadMetadata returns the metadata of a module without running it. The error is
// [ErrNoMetadata] if there is none. Whether the schema of its settings is one shows when
// the module is bound, in another process if there is one for that: see [Options].Try.
func ReadMetadata(module []byte) (Metadata, error) {
	sections, err := splitSections(module)
	if err != nil {
		return Metadata{}, err
	}
	var found []byte
	for _, s := range sections {
		if !s.isCustom(abi.MetadataSection) {
			continue
		}
		if found != nil {
			return Metadata{}, fmt.Errorf("the module has more than one %s section", abi.MetadataSection)
		}
		found = s.data
	}
	if found == nil {
		return Metadata{}, ErrNoMetadata
	}
	if len(found) > maxMetadataBytes {
		return Metadata{}, fmt.Errorf("section %s has %s, more than the limit of %s", abi.MetadataSection,
			sized(uint64(len(found))), sized(maxMetadataBytes))
	}
	m, err := parseMetadata(found)
	if err != nil {
		return Metadata{}, fmt.Errorf("section %s: %w", abi.MetadataSection, err)
	}
	return m, nil
}

// Annotate returns the module with m as its metadata, in place of any it had. The
// result depends on its arguments only. It shares no memory with module.
func Annotate(module []byte, m Metadata) ([]byte, error) {
	if err := errors.Join(m.check(), m.checkSchema()); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	sections, err := splitSections(module)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), wasmHeader...)
	for _, s := range sections {
		if !s.isCustom(abi.MetadataSection) {
			out = append(out, s.raw...)
		}
	}
	return appendCustomSection(out, abi.MetadataSection, data), nil
}
