package plugins

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tetratelabs/wazero"
)

// Job is work that a module makes for the host itself, whose length its size does not
// bound, and which nothing in this process can interrupt: compiling its code, or looking
// at settings with its schema. See [Options].Try.
type Job struct {
	// Module is to be compiled: as this package rewrote it, not as it was loaded. Nil for
	// none.
	Module []byte
	// CacheDir is that of the options. What was compiled is left there.
	CacheDir string
	// Schema is the module's, and Settings are those of a binding. Nil for none.
	Schema, Settings json.RawMessage
}

// Run does the work. The error is what is wrong with the module; what is wrong with the
// settings is none.
func (j Job) Run(ctx context.Context) error {
	if j.Schema != nil {
		schema, err := compileSchema(j.Schema)
		if err != nil {
			return err
		}
		checkSettings("settings", schema, j.Settings)
	}
	if j.Module == nil {
		return nil
	}
	v, err := newValidators(ctx, Options{CacheDir: j.CacheDir})
	if err != nil {
		return err
	}
	_, err = v.runtime.CompileModule(ctx, j.Module)
	if err != nil {
		err = fmt.Errorf("compiling the module: %w", firstLine(err))
	}
	if closing := v.Close(); err == nil {
		err = closing
	}
	return err
}

// tried returns what has every job done elsewhere first, if that was asked for.
func (o Options) tried() func(context.Context, Job) error {
	if o.Try == nil {
		return neverTried
	}
	return func(ctx context.Context, j Job) error {
		if j.Module != nil {
			j.CacheDir = o.CacheDir
		}
		return o.Try(ctx, j)
	}
}

func neverTried(context.Context, Job) error { return nil }

// compileTried compiles what internal/wasm wrote, after it was tried.
func compileTried(ctx context.Context, r wazero.Runtime, try func(context.Context, Job) error, metered []byte) (wazero.CompiledModule, error) {
	if err := try(ctx, Job{Module: metered}); err != nil {
		return nil, err
	}
	compiled, err := r.CompileModule(ctx, metered)
	if err != nil {
		return nil, fmt.Errorf("compiling the module: %w", firstLine(err))
	}
	return compiled, nil
}
