package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Set is the text of policies: all that was read of their sources, checked as far as
// that goes without compiling it. It can be handed to another process, and be kept. It
// never changes and is safe for concurrent use.
type Set struct {
	sources []contents // in the order in which they were given
}

// contents are the files of one source.
type contents struct {
	Name string `json:"name"`
	// BuiltIn says that it is part of the program.
	BuiltIn bool      `json:"built_in,omitempty"`
	Files   []rawFile `json:"files"`
}

// rawFile is a file as it is in its source.
type rawFile struct {
	// Path is slash-separated and relative to the source; "." if the source is a file.
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// Read reads sources: their signatures are verified if options have a verifier, and
// their manifests are checked. Nothing is compiled yet, so that what is wrong with rules
// and data is found by [Set.Compile] only.
func Read(ctx context.Context, options Options, sources ...Source) (*Set, error) {
	if err := options.ensureDefaults(); err != nil {
		return nil, err
	}
	set, err := readSet(&reader{left: options.MaxBytes, limit: options.MaxBytes, all: options.Verifier != nil}, sources)
	if err != nil {
		return nil, err
	}
	for _, c := range set.sources {
		if options.Verifier == nil || c.BuiltIn {
			continue
		}
		if err := options.Verifier.verify(c); err != nil {
			return nil, fmt.Errorf("the signature of policies %s: %w", c.Name, err)
		}
	}
	if err := set.checkRoots(); err != nil {
		return nil, err
	}
	return set, ctx.Err()
}

// Compile makes policies of a set. It cannot be interrupted, and some sets take it more
// time and memory than anybody has.
func (s *Set) Compile(ctx context.Context, options Options) (*Policies, error) {
	if err := options.ensureDefaults(); err != nil {
		return nil, err
	}
	names := make([]string, len(s.sources))
	for i, c := range s.sources {
		names[i] = c.Name
	}
	return load(ctx, options, s.files(false), strings.Join(names, ", "))
}

// Fingerprint is a digest of all that was read. Sets with other fingerprints may still
// make the same policies: see [Policies.Digest].
func (s *Set) Fingerprint() (string, error) {
	encoded, err := s.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:]), nil
}

// Encode writes a set down, for [Decode].
func (s *Set) Encode() ([]byte, error) {
	encoded, err := json.Marshal(s.sources)
	if err != nil {
		return nil, fmt.Errorf("encoding policies: %w", err)
	}
	return encoded, nil
}

// Decode reads what Encode wrote.
func Decode(encoded []byte) (*Set, error) {
	var s Set
	if err := json.Unmarshal(encoded, &s.sources); err != nil {
		return nil, fmt.Errorf("decoding policies: %w", err)
	}
	if len(s.sources) == 0 {
		return nil, errors.New("decoding policies: there are none")
	}
	return &s, nil
}

// IsBuiltIn reports whether all of a set is part of the program.
func (s *Set) IsBuiltIn() bool {
	return !slices.ContainsFunc(s.sources, func(c contents) bool { return !c.BuiltIn })
}

// Again are the sources that a set was read from, with what was read then. It is checked
// again when it is read again, signatures too: even what was part of the program then
// needs one.
func (s *Set) Again() []Source {
	sources := make([]Source, len(s.sources))
	for i, c := range s.sources {
		sources[i] = Source{name: c.Name, contents: &contents{Files: c.Files}}
	}
	return sources
}

// SourceInfo is what is known of a source that was read.
type SourceInfo struct {
	// Name is what its files are reported under.
	Name string
	// Revision is what its manifest says, or empty.
	Revision string
}

// Info describes the sources, in their order.
func (s *Set) Info() []SourceInfo {
	infos := make([]SourceInfo, len(s.sources))
	for i, c := range s.sources {
		infos[i] = SourceInfo{Name: c.Name, Revision: c.manifest().Revision}
	}
	return infos
}

// Name is what files of a source are reported under.
func (s Source) Name() string { return s.name }

// files returns the modules and data of all sources, sorted by name.
func (s *Set) files(tests bool) []file {
	var files []file
	for _, c := range s.sources {
		files = append(files, c.files(tests)...)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files
}

func (c *contents) files(tests bool) []file {
	var files []file
	roots := c.roots()
	for _, f := range c.Files {
		name := path.Join(c.Name, f.Path)
		if relevant(path.Base(name), tests) && !isLeftAlone(f.Path) {
			files = append(files, file{name: name, dir: path.Dir(f.Path), content: f.Content, roots: roots})
		}
	}
	return files
}

// Texts are the modules and the data of a set, by the names that they are reported under.
func (s *Set) Texts() map[string]string {
	texts := map[string]string{}
	for _, f := range s.files(false) {
		texts[f.name] = string(f.content)
	}
	return texts
}

// file returns the content of a file, or nil.
func (c *contents) file(path string) []byte {
	for _, f := range c.Files {
		if f.Path == path {
			return f.Content
		}
	}
	return nil
}
