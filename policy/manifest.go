package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// What OPA puts beside policies into a bundle.
const (
	manifestFile      = bundle.ManifestExt
	manifestProtoFile = bundle.ManifestProtoExt
	signaturesFile    = ".signatures.json"
	patchFile         = "patch.json"
)

// manifest returns the manifest of a source that was checked; an empty one if it has
// none.
func (c *contents) manifest() bundle.Manifest {
	m, _ := c.readManifest()
	return m
}

func (c *contents) readManifest() (bundle.Manifest, error) {
	var m bundle.Manifest
	content := c.file(manifestFile)
	if content == nil {
		return m, nil
	}
	if err := checkJSON(content); err != nil {
		return m, err
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields() // what it asks for and is not done would go unnoticed
	return m, d.Decode(&m)
}

// check refuses bundles that mean something else than their files say.
func (c *contents) check() error {
	if c.file(manifestProtoFile) != nil {
		return fmt.Errorf("%s: manifests in protobuf are not understood: build the bundle with one in JSON", manifestProtoFile)
	}
	for _, f := range c.Files {
		if path.Base(f.Path) == patchFile { // anywhere, as OPA has it
			return fmt.Errorf("this is a delta bundle, which holds changes only (%s): give the whole bundle", f.Path)
		}
	}
	m, err := c.readManifest()
	if err != nil {
		return fmt.Errorf("%s: %w", manifestFile, err)
	}
	if len(m.WasmResolvers) > 0 {
		return fmt.Errorf("%s: rules compiled to WebAssembly cannot be checked: build the bundle with its Rego (opa build -t rego)", manifestFile)
	}
	versions := maps.Clone(m.FileRegoVersions)
	if m.RegoVersion != nil {
		versions = map[string]int{"rego_version": *m.RegoVersion}
		maps.Copy(versions, m.FileRegoVersions)
	}
	for _, of := range slices.Sorted(maps.Keys(versions)) {
		if v := versions[of]; v != 1 {
			return fmt.Errorf("%s: %s says version %d of Rego: only version 1 is understood", manifestFile, of, v)
		}
	}
	return nil
}

// roots are where the packages and data of a source may lie; nil means anywhere.
func (c *contents) roots() []string {
	m := c.manifest()
	if m.Roots == nil {
		return nil
	}
	roots := make([]string, len(*m.Roots))
	for i, root := range *m.Roots {
		roots[i] = strings.Trim(root, "/")
	}
	return roots
}

// checkRoots refuses sources that claim the same part of the data document.
func (s *Set) checkRoots() error {
	for i, a := range s.sources {
		for _, b := range s.sources[:i] {
			for _, x := range a.roots() {
				for _, y := range b.roots() {
					if bundle.RootPathsOverlap(x, y) {
						return fmt.Errorf("the manifests of policies %s and %s both claim the root %q: give them roots of their own", b.Name, a.Name, longer(x, y))
					}
				}
			}
		}
	}
	return nil
}

func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// outsideRoots finds the packages that are not where the manifest of their source says.
func outsideRoots(t text, files []file, modules map[string]*ast.Module) []Problem {
	var problems []Problem
	for _, f := range files {
		m := modules[f.name]
		if m == nil || f.roots == nil {
			continue
		}
		p, err := m.Package.Path.Ptr()
		if err == nil {
			p = strings.TrimPrefix(strings.TrimPrefix(p, "data"), "/")
		}
		if err != nil || !bundle.RootPathsContain(f.roots, p) {
			problems = append(problems, t.at(m.Package.Location, fmt.Sprintf("%s is not under the roots of the bundle's manifest", m.Package.Path), describeRoots(f.roots)))
		}
	}
	return problems
}

// dataOutside returns an error if a value of data is not under the roots. at is where
// data is.
func dataOutside(roots []string, data map[string]any, at string) error {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		p := path.Join(at, key)
		if bundle.RootPathsContain(roots, p) {
			continue
		}
		object, ok := data[key].(map[string]any)
		leads := slices.ContainsFunc(roots, func(root string) bool { return strings.HasPrefix(root, p+"/") })
		if !ok || !leads {
			return errors.New("data." + strings.ReplaceAll(p, "/", ".") + " is not under the roots of the bundle's manifest: " + describeRoots(roots))
		}
		if err := dataOutside(roots, object, p); err != nil {
			return err
		}
	}
	return nil
}

func describeRoots(roots []string) string { return fmt.Sprintf("they are %q", roots) }
