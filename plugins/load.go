package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// Options are what validators are run with. The zero value works.
type Options struct {
	// Logger is told what a guest's author needs to find a trap: its stack of
	// function names. Specs and label values are never logged. Nil discards.
	Logger *slog.Logger
	// CacheDir keeps compiled modules between starts; empty keeps them in memory
	// only. It is made if it is not there. What is in it is run as native code: it is
	// an error if others can write there.
	CacheDir string
	// Stderr is given what modules write to their standard error, as well as to their
	// standard output unless that is their answer. It may quote specs: it is for whoever
	// has them, and never for a log. It must be safe for concurrent use if the validators
	// are used so. Nil discards.
	Stderr io.Writer
	// Try, if set, is asked to do each [Job] where that can be ended, in another
	// process, before it is done in this one. Its error refuses the module. Without
	// it, a module that is made for it can keep Load busy for hours. Modules that are part
	// of the program are not tried.
	Try func(context.Context, Job) error
	// AlwaysAsk has validators asked however often they have failed: there are no
	// quarantines. It is for tools, where nobody is kept waiting.
	AlwaysAsk bool
	// Verifier, if set, must accept the signature of every module, but for those that
	// are part of the program.
	Verifier *Verifier
	// Fetch, if set, returns a module of a registry: reference is as configured, and sha256
	// the digest that it is to have, in hexadecimal, which is checked afterwards; empty if
	// reference has a digest, and then what Fetch returns must be what that means.
	Fetch func(ctx context.Context, reference, sha256 string) (Module, error)

	// Observe, if set, is told what came of each time that a validator was asked. It must be
	// quick and safe for concurrent use.
	Observe func(Judged)

	// interpreter has the tests cover the engine that is used where there is no
	// compiler for the processor.
	interpreter bool
}

// maxModuleBytes bounds a module, as internal/wasm does.
const maxModuleBytes = 16 << 20

// Load is [Read] and [Set.Load] in one.
func Load(ctx context.Context, opts Options, sources ...Source) (*Validators, error) {
	return Read(ctx, opts, sources...).Load(ctx, opts)
}

// Load checks every validators.yaml, verifies and loads the modules they bind and runs
// the _initialize of each. Judging follows the order of the sources, and of the list
// in each. The error, if any, is all problems found in all of them, joined, each
// with its place. No sources, or empty lists, are fine: nothing is judged.
//
// The caller closes the result.
func (s *Set) Load(ctx context.Context, opts Options) (_ *Validators, err error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := newValidators(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
		}
	}()

	var errs []error
	for _, source := range s.sources {
		for _, problem := range v.load(ctx, opts, source) {
			errs = append(errs, fmt.Errorf("%s: %w", source.path, problem))
		}
	}
	if err := errors.Join(append(errs, v.checkNames())...); err != nil {
		return nil, err
	}
	for _, b := range v.bindings {
		b.observer = opts.Observe
		if opts.AlwaysAsk {
			b.breaker = nil
		}
	}
	if v.digest, err = digestOf(v.List()); err != nil {
		return nil, err
	}
	return v, v.findParts()
}

func newValidators(ctx context.Context, opts Options) (*Validators, error) {
	cache, err := openCache(opts.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("opening the cache of compiled validators: %w", err)
	}
	config := wazero.NewRuntimeConfig()
	if opts.interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	r := wazero.NewRuntimeWithConfig(ctx, config.
		WithCoreFeatures(coreFeatures).WithCompilationCache(cache).WithCustomSections(false))
	v := &Validators{runtime: r, cache: cache, log: opts.Logger, stderr: opts.Stderr, try: opts.tried()}
	if err := linkAll(ctx, r); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// load adds the bindings of one source and reports all that is wrong with them.
func (v *Validators) load(ctx context.Context, opts Options, source readSource) (errs []error) {
	if len(source.problems) > 0 {
		return source.problems
	}
	if source.builtIn {
		opts.Verifier = nil
	}
	for i, config := range source.bindings {
		config.trusted = source.builtIn
		b, problems := v.bind(ctx, opts, config, source.modules[i])
		if b != nil {
			v.bindings = append(v.bindings, b)
		}
		errs = append(errs, problems...)
	}
	return errs
}

// bind loads the module of one binding and completes the binding with what the
// module says about itself.
func (v *Validators) bind(ctx context.Context, opts Options, c bindingConfig, read readModule) (*binding, []error) {
	at := func(err error) error { return fmt.Errorf("%s: %s: %w", c.at, c.module, err) }
	if read.err != nil {
		return nil, []error{fmt.Errorf("%s.module: %w", c.at, read.err)}
	}
	module, digest := read.Content, read.digest()
	if err := c.checkPin(digest); err != nil {
		return nil, []error{at(err)}
	}
	c.sha256 = digest
	signature, err := opts.verify(read.Module)
	if err != nil {
		return nil, []error{at(err)}
	}
	meta, err := ReadMetadata(module)
	if err != nil && !errors.Is(err, ErrNoMetadata) {
		return nil, []error{at(err)}
	}
	if c.name == "" {
		if c.name = meta.Name; c.name == "" {
			return nil, []error{fmt.Errorf("%s: name is missing, and the module does not say its own", c.at)}
		}
	}
	b, errs := v.bindModule(ctx, c, module, meta)
	if b != nil {
		b.info.Signature = signature
	}
	return b, errs
}

// bindModule makes a binding of a module whose metadata have been read, and whose pin and
// signature are good.
func (v *Validators) bindModule(ctx context.Context, c bindingConfig, module []byte, meta Metadata) (*binding, []error) {
	at := func(err error) error { return fmt.Errorf("%s%s%w", prefix(c.at), prefix(c.module), err) }
	if c.settings == nil {
		c.settings = json.RawMessage("{}")
	}
	try := v.try
	if c.trusted {
		try = neverTried
	}
	if meta.Settings != nil {
		if err := try(ctx, Job{Schema: meta.Settings, Settings: c.settings}); err != nil {
			return nil, []error{at(err)}
		}
	}
	schema, err := compileSchema(meta.Settings)
	if err != nil {
		return nil, []error{at(err)}
	}
	if errs := checkSettings(join(c.at, "settings"), schema, c.settings); len(errs) > 0 {
		return nil, errs
	}

	p, err := compile(ctx, v.runtime, try, module, c.limits.Memory)
	if err != nil {
		return nil, []error{at(err)}
	}
	if meta.Name != "" && meta.ABI != p.guest.kind() {
		return nil, []error{at(otherABI(meta.ABI, p.guest.kind()))}
	}
	info := Info{
		Name: c.name, Version: meta.Version, Module: c.module, SHA256: c.sha256, Docs: meta.Docs, ABI: p.guest.kind(),
		Match: c.match.or(meta), Reads: meta.Reads, Settings: c.settings, Enforcement: c.enforcement, Limits: c.limits,
	}
	p.stderr = v.stderr
	b, err := newBinding(ctx, info, p, v.log)
	if err != nil {
		return nil, []error{at(err)}
	}
	if !p.settings {
		return b, nil
	}
	return b, b.checkSettings(ctx, join(c.at, "settings"))
}

// otherABI says that metadata are not of the module that has them.
func otherABI(said, found abi.Kind) error {
	return fmt.Errorf("its metadata say that it speaks the ABI %s, and its exports are those of %s", said, found)
}

// checkPin returns an error unless the digest of the module is the one that is pinned.
func (c bindingConfig) checkPin(digest string) error {
	pin := strings.ToLower(c.sha256)
	if pin == digest || pin == "" && isDigestReference(c.module) {
		return nil
	}
	if pin == "" {
		return fmt.Errorf("sha256 is missing; if this is the module you mean, add\n  sha256: %s", digest)
	}
	moved := ""
	if isReference(c.module) && !isDigestReference(c.module) {
		moved = "the tag was moved, or never meant it: "
	}
	return fmt.Errorf("%sthe module is not the one that is pinned: its digest is\n  %s, and the pin is\n  %s; "+
		"if the new module is the one you mean, change sha256 to its digest", moved, digest, pin)
}

// verify verifies the signature of a module, if there are keys for that.
func (o Options) verify(m Module) (*Signature, error) {
	if o.Verifier == nil {
		return nil, nil //nolint:nilnil // not looked at
	}
	signature, err := o.Verifier.Verify(m.Content, m.Signature)
	if err != nil {
		return nil, err
	}
	return &signature, nil
}

// checkNames makes sure that a name in a verdict means one binding.
func (v *Validators) checkNames() error {
	seen := map[string]bool{}
	var errs []error
	for _, b := range v.bindings {
		if seen[b.info.Name] {
			errs = append(errs, fmt.Errorf("two validators are called %q; give one of them another name", b.info.Name))
		}
		seen[b.info.Name] = true
	}
	return errors.Join(errs...)
}

// digestOf identifies what the bindings, all together, would find: the same on every
// machine, wherever the modules lie and whoever signed them.
func digestOf(infos []Info) (string, error) {
	for i := range infos {
		infos[i].Module, infos[i].Signature, infos[i].Limits.Concurrency = "", nil, 0
	}
	canonical, err := json.Marshal(infos)
	if err != nil {
		return "", fmt.Errorf("digest of the validators: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Info describes a binding, complete with what its module says and the defaults.
type Info struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Module is the path or reference as configured, SHA256 the digest of what is there.
	Module string `json:"module"`
	SHA256 string `json:"sha256"`
	// Signature is that which was verified; nil if there are no keys to verify with.
	Signature *Signature `json:"signature,omitempty"`
	// Docs is the URL to read more at, or empty.
	Docs string `json:"docs"`
	// ABI is the contract between host and module.
	ABI   abi.Kind `json:"abi"`
	Match Match    `json:"match"`
	// Reads are the paths of the input document that the validator is given; nil stands
	// for all of it.
	Reads       []string        `json:"reads,omitempty"`
	Settings    json.RawMessage `json:"settings"`
	Enforcement Enforcement     `json:"enforcement"`
	Limits      Limits          `json:"limits"`
}

// source is how a verdict refers to the validator.
func (i Info) source() plimsoll.Source {
	return plimsoll.Source{Kind: plimsoll.SourceValidator, Name: i.Name, Version: i.Version}
}
