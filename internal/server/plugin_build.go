package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/plugins/js"
	"github.com/plimsoll-project/plimsoll/policy/policytool"
)

// Files in the directory of a validator that can be built.
const (
	pluginFile     = "plugin.yaml"
	pluginMetadata = "validator.json"
	pluginScript   = "build.sh"
	pluginJS       = "validator.js"
)

// BuiltPlugin is a module that was built.
type BuiltPlugin struct {
	Path, SHA256 string
}

// BuildPlugin builds the validator in a directory, annotates it, and checks that it would
// be loaded. What the toolchain says is written to output.
func BuildPlugin(ctx context.Context, dir string, output io.Writer) (*BuiltPlugin, error) {
	source, err := readPluginSource(dir)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, pluginMetadata))
	if err != nil {
		return nil, err
	}
	metadata, err := plugins.ParseMetadata(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, pluginMetadata), err)
	}
	module, err := source.build(ctx, dir, output)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", metadata.Name, err)
	}
	if module, err = plugins.Annotate(module, metadata); err != nil {
		return nil, err
	}
	inspection := plugins.Inspect(module)
	if len(inspection.Problems) > 0 {
		return nil, fmt.Errorf("what was built is not a validator: %s", strings.Join(inspection.Problems, "\n"))
	}
	built := &BuiltPlugin{Path: filepath.Join(dir, metadata.Name+".wasm"), SHA256: inspection.SHA256}
	return built, writeDurably(built.Path, module, bundleMode)
}

// pluginSource is what a plugin.yaml says.
type pluginSource struct {
	Language string `json:"language"`
	// Entrypoints are the rules in Rego that judge, such as main/deny.
	Entrypoints []string `json:"entrypoints"`
}

func readPluginSource(dir string) (s pluginSource, err error) {
	name := filepath.Join(dir, pluginFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%w: it says in which language the validator is, as language: rust", err)
	}
	if err != nil {
		return s, err
	}
	if err := yaml.UnmarshalStrict(text, &s); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case s.Language == "":
		return s, fmt.Errorf("%s: language is missing", name)
	case (s.Language == languageRego) != (len(s.Entrypoints) > 0):
		return s, fmt.Errorf("%s: entrypoints, such as [main/deny], go with language: rego, and it with them", name)
	}
	return s, nil
}

// Languages that need no toolchain.
const (
	languageJS   = "js"
	languageRego = "rego"
)

// build compiles the validator in dir to a module without metadata.
func (s pluginSource) build(ctx context.Context, dir string, output io.Writer) ([]byte, error) {
	switch s.Language {
	case languageJS:
		script, err := os.ReadFile(filepath.Join(dir, pluginJS))
		if err != nil {
			return nil, err
		}
		return js.Module(script)
	case languageRego:
		return policytool.CompileWasm(ctx, os.DirFS(dir), s.Entrypoints...)
	default:
		return buildByScript(ctx, dir, output)
	}
}

// buildByScript has the validator's own script compile it.
func buildByScript(ctx context.Context, dir string, output io.Writer) (module []byte, err error) {
	if _, err := os.Stat(filepath.Join(dir, pluginScript)); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "plimsoll-build-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	bare := filepath.Join(temp, "bare.wasm")
	cmd := exec.CommandContext(ctx, "sh", pluginScript, bare)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, output, output
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", pluginScript, err)
	}
	module, err = os.ReadFile(bare)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s wrote no module to the file that it was given", pluginScript)
	}
	return module, err
}
