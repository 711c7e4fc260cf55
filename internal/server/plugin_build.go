package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll/plugins"
)

// Files in the directory of a validator that can be built.
const (
	pluginFile     = "plugin.yaml"
	pluginMetadata = "validator.json"
	pluginScript   = "build.sh"
)

// BuiltPlugin is a module that was built.
type BuiltPlugin struct {
	Path, SHA256 string
}

// BuildPlugin builds the validator in a directory, annotates it, and checks that it would
// be loaded. What the toolchain says is written to output.
func BuildPlugin(ctx context.Context, dir string, output io.Writer) (*BuiltPlugin, error) {
	language, err := languageOf(dir)
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
	build := languages[language]
	if build == nil {
		build = buildByScript
	}
	module, err := build(ctx, dir, output)
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

// languages are those that are built without a build.sh.
var languages = map[string]func(ctx context.Context, dir string, output io.Writer) (module []byte, err error){}

func languageOf(dir string) (string, error) {
	name := filepath.Join(dir, pluginFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: it says in which language the validator is, as language: rust", err)
	}
	if err != nil {
		return "", err
	}
	var plugin struct {
		Language string `json:"language"`
	}
	if err := yaml.UnmarshalStrict(text, &plugin); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if plugin.Language == "" {
		return "", fmt.Errorf("%s: language is missing", name)
	}
	return plugin.Language, nil
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
	return os.ReadFile(bare)
}
