package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// Module is a module as it was read, and its signature.
type Module struct {
	Content []byte
	// Signature is nil if there is none.
	Signature []byte
}

// digest is the SHA-256 of the module in hexadecimal.
func (m Module) digest() string {
	sum := sha256.Sum256(m.Content)
	return hex.EncodeToString(sum[:])
}

// Set is validators that were read: configurations, and the modules that they bind. None
// of it was compiled or run. It can be kept. It never changes and is safe for concurrent
// use.
type Set struct {
	sources []readSource
}

// readSource is a configuration and its modules.
type readSource struct {
	path     string
	builtIn  bool // part of the program
	config   []byte
	bindings []bindingConfig
	modules  []readModule // of the bindings, in their order
	problems []error
}

// readModule is a module, or why it could not be read.
type readModule struct {
	Module
	err error
}

// Read reads sources and all modules that they bind. What cannot be read, or is wrong, is
// for [Set.Load] to say, so that it is all said at once. Nothing is compiled.
func Read(ctx context.Context, opts Options, sources ...Source) *Set {
	s := &Set{}
	for _, source := range sources {
		s.sources = append(s.sources, source.read(ctx, opts))
	}
	return s
}

func (s Source) read(ctx context.Context, opts Options) (r readSource) {
	r.path, r.builtIn = s.path, s.fsys != nil
	fsys, name, done, err := s.open()
	if err != nil {
		r.problems = []error{fmt.Errorf("validators: %w", err)}
		return r
	}
	defer func() {
		if err := done(); err != nil {
			r.problems = append(r.problems, err)
		}
	}()
	if r.config, err = readFile(fsys, name, maxConfigBytes); err != nil {
		r.problems = []error{err}
		return r
	}
	r.bindings, r.problems = parseConfig(r.config)
	if s.archive != nil {
		opts.Fetch = fetchArchived(fsys)
	}
	// Several bindings may have one module, each in a spelling of its own: it is read once,
	// so that what is in memory is no more than there is.
	read := map[string]readModule{}
	for _, c := range r.bindings {
		at := c.readsFrom(s, path.Dir(name))
		m, ok := read[at]
		if !ok {
			m = c.read(ctx, opts, fsys, path.Dir(name))
			read[at] = m
		}
		r.modules = append(r.modules, m)
	}
	return r
}

// readsFrom says where read finds the module: what is the same is the same module.
func (c bindingConfig) readsFrom(s Source, dir string) string {
	switch {
	case !isReference(c.module):
		return path.Join(dir, c.module)
	case s.archive != nil:
		return archivedAt(c.module)
	default: // which of a registry's is told by the digest, too
		return c.module + " " + strings.ToLower(c.sha256)
	}
}

// fetchArchived finds the modules of registries in an archive.
func fetchArchived(fsys fs.FS) func(context.Context, string, string) (Module, error) {
	return func(_ context.Context, reference, _ string) (Module, error) {
		m := readFiles(fsys, archivedAt(reference))
		return m.Module, m.err
	}
}

// read reads the module of a binding, and its signature.
func (c bindingConfig) read(ctx context.Context, opts Options, fsys fs.FS, dir string) (m readModule) {
	if isReference(c.module) {
		if opts.Fetch == nil {
			m.err = errors.New("modules of registries cannot be fetched here")
			return m
		}
		m.Module, m.err = opts.Fetch(ctx, c.module, strings.ToLower(c.sha256))
		return m
	}
	return readFiles(fsys, path.Join(dir, c.module))
}

// readFiles reads the module of a name, and its signature beside it.
func readFiles(fsys fs.FS, name string) (m readModule) {
	if m.Content, m.err = readFile(fsys, name, maxModuleBytes); m.err != nil {
		return m
	}
	m.Signature, m.err = readFile(fsys, name+SignatureExtension, maxSignatureBytes)
	if errors.Is(m.err, fs.ErrNotExist) {
		m.err = nil // there need not be one
	}
	return m
}

// isReference reports whether a module is in a registry.
func isReference(module string) bool { return strings.Contains(module, "://") }

// isDigestReference reports whether a reference can only mean one module.
func isDigestReference(module string) bool {
	return isReference(module) && strings.Contains(module, "@sha256:")
}

// Fingerprint is a digest of all that was read. As long as it is the same, so is what
// Load makes of a set. Sets with other fingerprints may still find the same: see
// [Validators.Digest].
func (s *Set) Fingerprint() string {
	digest := sha256.New()
	for _, source := range s.sources {
		fmt.Fprintf(digest, "%q %q %q\n", source.path, source.config, source.problems)
		for _, m := range source.modules {
			fmt.Fprintf(digest, "%s %x %v\n", m.digest(), sha256.Sum256(m.Signature), m.err)
		}
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// keptSource is a source as it is written down.
type keptSource struct {
	Path    string       `json:"path"`
	Config  []byte       `json:"config"`
	Modules []keptModule `json:"modules"` // of the bindings, in their order
}

// keptModule refers to a module, which is kept apart: sets mostly share them.
type keptModule struct {
	Reference string `json:"reference"`
	SHA256    string `json:"sha256"`
	Signature []byte `json:"signature,omitempty"`
}

// Encode writes a set that can be loaded down, for [Decode]: everything but the modules,
// and these by their digests.
func (s *Set) Encode() (encoded []byte, modules map[string][]byte, err error) {
	kept := []keptSource{}
	modules = map[string][]byte{}
	for _, source := range s.sources {
		k := keptSource{Path: source.path, Config: source.config, Modules: []keptModule{}}
		for i, m := range source.modules {
			k.Modules = append(k.Modules, keptModule{Reference: source.bindings[i].module, SHA256: m.digest(), Signature: m.Signature})
			modules[m.digest()] = m.Content
		}
		kept = append(kept, k)
	}
	encoded, err = json.Marshal(kept)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding validators: %w", err)
	}
	return encoded, modules, nil
}

// Decode reads what Encode wrote. module returns a module by its digest. Signatures count
// when the set is loaded, also of what was part of the program then.
func Decode(encoded []byte, module func(digest string) ([]byte, error)) (*Set, error) {
	var kept []keptSource
	if err := json.Unmarshal(encoded, &kept); err != nil {
		return nil, fmt.Errorf("decoding validators: %w", err)
	}
	s := &Set{}
	for _, k := range kept {
		r := readSource{path: k.Path, config: k.Config}
		r.bindings, r.problems = parseConfig(k.Config)
		if len(k.Modules) != len(r.bindings) {
			return nil, fmt.Errorf("decoding validators: %s binds %d modules, and %d are kept", k.Path, len(r.bindings), len(k.Modules))
		}
		for _, m := range k.Modules {
			read := readModule{Module: Module{Signature: m.Signature}}
			if read.Content, read.err = module(m.SHA256); read.err == nil && read.digest() != m.SHA256 {
				read.err = fmt.Errorf("the copy of %s is not what it was", m.SHA256)
			}
			r.modules = append(r.modules, read)
		}
		s.sources = append(s.sources, r)
	}
	return s, nil
}

// Module returns the module that a reference of a registry meant in the set; pin is its
// digest, or empty for a reference that has one itself.
func (s *Set) Module(reference, pin string) (Module, bool) {
	for _, source := range s.sources {
		for i, c := range source.bindings {
			if c.module == reference && source.modules[i].err == nil && (pin == source.modules[i].digest() || pin == "" && isDigestReference(reference)) {
				return source.modules[i].Module, true
			}
		}
	}
	return Module{}, false
}

// Reference is a module in a registry that a configuration names, and its pin.
type Reference struct{ Module, SHA256 string }

// References returns the modules in registries that sources name, each once. Of what
// cannot be read there are none.
func References(sources ...Source) []Reference {
	var all []Reference
	seen := map[Reference]bool{}
	for _, s := range sources {
		for _, c := range s.bindings() {
			r := Reference{c.module, strings.ToLower(c.sha256)}
			if isReference(c.module) && !seen[r] {
				seen[r], all = true, append(all, r)
			}
		}
	}
	return all
}

// Dirs returns the directories on disk that have files of sources.
func Dirs(sources ...Source) []string {
	var dirs []string
	for _, s := range sources {
		if s.fsys != nil || s.archive != nil {
			continue
		}
		dirs = append(dirs, filepath.Dir(s.path))
		for _, c := range s.bindings() { // those that are not there yet have none
			if !isReference(c.module) {
				dirs = append(dirs, filepath.Join(filepath.Dir(s.path), filepath.FromSlash(path.Dir(c.module))))
			}
		}
	}
	return dirs
}

// bindings are those of a configuration, as far as it can be read.
func (s Source) bindings() []bindingConfig {
	fsys, name, done, err := s.open()
	if err != nil {
		return nil
	}
	defer func() { _ = done() }() // only read
	text, err := readFile(fsys, name, maxConfigBytes)
	if err != nil {
		return nil
	}
	bindings, problems := parseConfig(text)
	if len(problems) > 0 {
		return nil
	}
	return bindings
}
