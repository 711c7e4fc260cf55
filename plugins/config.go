package plugins

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	yamlv2 "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll"
)

// Source is where a validators.yaml is: see [File], [FS] and [Archive]. The modules it
// names are found relative to it, and only below its directory.
type Source struct {
	fsys    fs.FS // of one that is part of the program
	archive []byte
	path    string // of one in the host's file system; what others are called
}

// File is a validators.yaml in the host's file system.
func File(path string) Source { return Source{path: path} }

// FS is a validators.yaml in a file system that is part of the program, such as an
// embed.FS. Nobody has to have signed what is in it.
func FS(fsys fs.FS, path string) Source { return Source{fsys: fsys, path: path} }

func (s Source) String() string { return s.path }

// open returns the file system that has the configuration at name, and its modules
// beside it.
func (s Source) open() (fsys fs.FS, name string, done func() error, err error) {
	nothing := func() error { return nil }
	if s.fsys != nil {
		return s.fsys, s.path, nothing, nil
	}
	if s.archive != nil {
		fsys, err = openArchive(s.archive)
		return fsys, archivedConfig, nothing, err
	}
	// A root cannot be left by .. or symbolic links.
	root, err := os.OpenRoot(filepath.Dir(s.path))
	if err != nil {
		return nil, "", nil, err
	}
	return root.FS(), filepath.Base(s.path), root.Close, nil
}

// Enforcement is what a binding's violations and faults amount to: see
// [plimsoll.Enforcement].
type Enforcement = plimsoll.Enforcement

// The enforcements besides canaries.
const (
	// Enforce denies: the default.
	Enforce = plimsoll.Enforce
	// Warn admits, and tells the caller.
	Warn = plimsoll.Warn
	// Shadow has no say: what the validator finds, or that it fails, is recorded with
	// the decision, and nothing else.
	Shadow = plimsoll.InShadow
)

// bindingConfig is one member of validators, as written. What depends on the module
// is filled in when the module has been read.
type bindingConfig struct {
	at          string // its path in the configuration
	name        string
	module      string
	sha256      string
	match       Match
	settings    json.RawMessage
	enforcement Enforcement
	limits      Limits
	trusted     bool // its module is part of the program
}

// maxConfigBytes bounds a validators.yaml; people write them.
const maxConfigBytes = 1 << 20

// parseConfig reads the text of a validators.yaml and reports all that is wrong in it.
func parseConfig(text []byte) ([]bindingConfig, []error) {
	doc, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, []error{err}
	}
	if err := checkSingle(text); err != nil {
		return nil, []error{err}
	}
	var entries []json.RawMessage
	if errs := decodeObject("", doc, map[string]any{"validators": &entries}); len(errs) > 0 {
		return nil, errs
	}
	if entries == nil {
		return nil, []error{errors.New("validators is missing; an empty list of them is []")}
	}
	var (
		bindings []bindingConfig
		errs     []error
	)
	for i, entry := range entries {
		b, problems := decodeBinding(fmt.Sprintf("validators[%d]", i), entry)
		bindings = append(bindings, b)
		errs = append(errs, problems...)
	}
	return bindings, errs
}

// checkSingle refuses a second YAML document, which would be ignored in silence.
func checkSingle(text []byte) error {
	dec := yamlv2.NewDecoder(bytes.NewReader(text))
	var doc any
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := dec.Decode(&doc); !errors.Is(err, io.EOF) {
		return errors.New("it holds more than one YAML document; put all validators into one list")
	}
	return nil
}

func decodeBinding(at string, raw []byte) (bindingConfig, []error) {
	b := bindingConfig{at: at, enforcement: Enforce}
	var match, limits json.RawMessage
	errs := decodeObject(at, raw, map[string]any{
		"name": &b.name, "module": &b.module, "sha256": &b.sha256, "match": &match, "settings": &b.settings,
		"enforcement": &b.enforcement, "limits": &limits,
	})
	var problems []error
	b.match, problems = decodeMatch(join(at, "match"), orNull(match))
	errs = append(errs, problems...)
	b.limits, problems = decodeLimits(join(at, "limits"), orNull(limits))
	errs = append(errs, problems...)
	return b, append(errs, b.check()...)
}

func orNull(raw json.RawMessage) []byte {
	if raw == nil {
		return []byte("null")
	}
	return raw
}

func (b bindingConfig) check() []error {
	var errs []error
	if b.name != "" {
		if err := checkName(b.name); err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", b.at, err))
		}
	}
	switch {
	case b.module == "":
		errs = append(errs, fmt.Errorf("%s: module is missing; it is the path of a .wasm file beside this one, or oci://REGISTRY/REPOSITORY:TAG", b.at))
	case isReference(b.module):
		if !strings.HasPrefix(b.module, "oci://") {
			errs = append(errs, fmt.Errorf("%s.module: %q is not in a registry; write it as oci://REGISTRY/REPOSITORY:TAG", b.at, b.module))
		}
	case !fs.ValidPath(b.module) || b.module == ".":
		errs = append(errs, fmt.Errorf("%s.module: %q is not a path below the directory of this file; copy the module there",
			b.at, b.module))
	}
	if digest, err := hex.DecodeString(b.sha256); b.sha256 != "" && (err != nil || len(digest) != 32) {
		errs = append(errs, fmt.Errorf("%s.sha256: %q is not a SHA-256 digest of 64 hexadecimal digits", b.at, b.sha256))
	}
	if err := b.enforcement.Check(Enforce, Warn, Shadow); err != nil {
		errs = append(errs, fmt.Errorf("%s.enforcement: %w", b.at, err))
	}
	return errs
}

// readFile reads a file of at most limit bytes. Opening a pipe would wait for somebody who
// writes to it.
func readFile(fsys fs.FS, name string, limit int64) (data []byte, err error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %s", name, sized(uint64(limit)))
	}
	return data, nil
}
