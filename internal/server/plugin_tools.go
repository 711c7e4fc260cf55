package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/service"
)

// Plugin is a module that a tool works on, bound as in a validators.yaml of its own. Its
// metadata say what it judges.
type Plugin struct {
	// Path is that of the .wasm file.
	Path string
	// Settings and Limits are those of the binding, in YAML or JSON; nil for the defaults.
	Settings, Limits []byte
	// Manifest reads container manifests.
	Manifest ManifestReader
	// Stderr is given the first of what the module writes there, fit for a terminal; nil
	// discards it.
	Stderr io.Writer
}

// PluginInspection is what there is to know about a module without running it.
type PluginInspection = plugins.Inspection

// PluginCall is what a call of a validator came to, and what it took.
type PluginCall = plugins.Call

// PluginInfo describes a validator and how it is bound.
type PluginInfo = plugins.Info

// Inspect says what is in the module. Why it would not be loaded is part of that.
func (p Plugin) Inspect(ctx context.Context) (*PluginInspection, error) {
	module, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	return inspect(ctx, module)
}

// inspect says what is in a module, and what is wrong with the schema of its settings.
func inspect(ctx context.Context, module []byte) (*PluginInspection, error) {
	found := plugins.Inspect(module)
	if found.Metadata != nil && found.Metadata.Settings != nil {
		// Its schema may take any time to compile.
		if err := tryModule(ctx, plugins.Job{Schema: found.Metadata.Settings, Settings: json.RawMessage("{}")}); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			found.Problems = append(found.Problems, err.Error())
		}
	}
	return found, nil
}

// Annotate writes the module with the metadata in a JSON file to another file, or the
// same, and returns the digest to pin.
func (p Plugin) Annotate(metadata, output string) (digest string, err error) {
	return plugins.AnnotateFile(p.Path, metadata, output)
}

// open loads the module. Compiled modules are kept in cacheDir, if it is not empty.
func (p Plugin) open(ctx context.Context, cacheDir string) (*plugins.Trial, error) {
	module, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	settings, err := documentOf("settings", p.Settings)
	if err != nil {
		return nil, err
	}
	document, err := documentOf("limits", p.Limits)
	if err != nil {
		return nil, err
	}
	limits, err := plugins.ParseLimits(document)
	if err != nil {
		return nil, err
	}
	options := toolOptions()
	options.CacheDir, options.Stderr = cacheDir, newSaid(p.Stderr)
	trial, err := plugins.NewTrial(ctx, module, plugins.TrialOptions{Options: options, Settings: settings, Limits: limits})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(p.Path), err)
	}
	return trial, nil
}

func documentOf(name string, text []byte) (json.RawMessage, error) {
	if text == nil {
		return nil, nil
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return document, nil
}

// pluginJudge has a validator judge what it covers, and remembers what came of that.
type pluginJudge struct {
	trial  *plugins.Trial
	called bool
	call   plugins.Call
}

// Judge implements [plimsoll.Judge].
func (j *pluginJudge) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	if !j.trial.Covers(in) {
		return plimsoll.Verdict{}, nil
	}
	var err error
	j.called = true
	j.call, err = j.trial.Judge(ctx, in)
	return j.call.Verdict, err
}

// rules have the validator alone judge.
func (j *pluginJudge) rules() *service.Ruleset {
	return &service.Ruleset{Policies: admitAll{}, Validators: j}
}
