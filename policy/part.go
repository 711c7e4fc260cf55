package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

var _ plimsoll.PartedJudge = (*Policies)(nil)

// Parts are the packages that judge, by name. The digest of one is of all that its rules
// may depend on: the files of the package, of those that hold it, and of all it refers to,
// all data, the grants, and the overrides of enforcement.
func (p *Policies) Parts() []plimsoll.Part { return slices.Clone(p.parts) }

// PatchDigest is that of all that the rules which patch may depend on, as in Parts; empty
// if there are none.
func (p *Policies) PatchDigest() string { return p.patchDigest }

// JudgeParts implements [plimsoll.PartedJudge].
func (p *Policies) JudgeParts(ctx context.Context, in *plimsoll.Input, chosen func(name string) bool) (verdict plimsoll.Verdict, err error) {
	onGrownStack(func() { verdict, err = p.judge(ctx, in, chosen) })
	return verdict, err
}

// addParts finds the parts of p, which is complete otherwise.
func (p *Policies) addParts(files []file, data map[string]any) error {
	shared, err := json.Marshal(map[string]any{"data": data, "grants": p.grants, "overrides": p.overrides}) // sorts keys
	if err != nil {
		return fmt.Errorf("computing the digests of packages: %w", err)
	}
	content := map[string][]byte{}
	for _, f := range files {
		content[f.name] = f.content
	}
	byPackage := map[string][]rule{}
	var patches []rule
	for _, r := range p.rules {
		if r.patches() {
			patches = append(patches, r)
		} else {
			byPackage[r.source.Name] = append(byPackage[r.source.Name], r)
		}
	}
	depends := dependencies(p.modules)
	digest := func(rules []rule) string {
		sum := sha256.New()
		_, _ = sum.Write(shared)
		used := map[string]bool{}
		for _, r := range rules {
			fmt.Fprintf(sum, "%q %q %q %v %v %v\n", r.source, r.ref.String(), r.match.String(), r.shape, r.warns, r.total)
			for _, name := range depends(p.modules[r.source.File]) {
				used[name] = true
			}
		}
		return hashFiles(sum, slices.Sorted(maps.Keys(used)), content)
	}
	for _, name := range slices.Sorted(maps.Keys(byPackage)) {
		rules := byPackage[name]
		p.parts = append(p.parts, plimsoll.Part{Name: name, Digest: digest(rules), Covers: func(in *plimsoll.Input) bool {
			return slices.ContainsFunc(rules, func(r rule) bool { return r.match.covers(in) })
		}})
	}
	if len(patches) > 0 {
		p.patchDigest = digest(patches)
	}
	return nil
}

func hashFiles(sum hash.Hash, names []string, content map[string][]byte) string {
	for _, name := range names {
		fmt.Fprintf(sum, "%q %d\n", name, len(content[name]))
		_, _ = sum.Write(content[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// dependencies returns a function that lists the files which decide what the rules of a
// module say: those that they can see, as in visibleTo, and, for their METADATA, those of
// the packages that hold theirs.
func dependencies(modules map[string]*ast.Module) func(m *ast.Module) []string {
	reachable := reachableFrom(modules)
	return func(m *ast.Module) []string {
		found := map[string]bool{}
		for file := range modules {
			if modules[file].Package.Path.HasPrefix(m.Package.Path) || m.Package.Path.HasPrefix(modules[file].Package.Path) {
				found[file] = true
			}
		}
		for _, file := range reachable(m) {
			found[file] = true
		}
		return slices.Sorted(maps.Keys(found))
	}
}
