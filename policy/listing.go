package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Package is what a listing shows of a package that has rules that decide.
type Package struct {
	// Name is the package's path, without the leading data.
	Name string `json:"name"`
	// Title and Description are those of the first of its rules that has one, or the
	// package's own.
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// Enforcement is that of the rule of the package that denies most: [Enforce], the
	// canary with the largest share, or [Warn]; empty if all that its rules do is patch.
	Enforcement Enforcement `json:"enforcement,omitempty"`
	// Rules are the names of the rules that decide, sorted.
	Rules []string `json:"rules"`
	// Files are where they are, sorted.
	Files []string `json:"files"`
}

// Packages lists the packages with rules that decide, by name.
func (p *Policies) Packages() []Package {
	packages := slices.Clone(p.packages)
	for i := range packages {
		packages[i].Rules = slices.Clone(packages[i].Rules)
		packages[i].Files = slices.Clone(packages[i].Files)
	}
	return packages
}

func packagesOf(rules []rule) []Package {
	var packages []Package
	for _, r := range rules {
		i := slices.IndexFunc(packages, func(p Package) bool { return p.Name == r.source.Name })
		if i < 0 {
			i = len(packages)
			packages = append(packages, Package{Name: r.source.Name})
		}
		p := &packages[i]
		if p.Title == "" {
			p.Title = r.title
		}
		if p.Description == "" {
			p.Description = r.description
		}
		if !r.patches() && (p.Enforcement == "" || r.strictness().Exceeds(p.Enforcement)) {
			p.Enforcement = r.strictness()
		}
		p.Rules = append(p.Rules, r.source.Rule)
		p.Files = append(p.Files, r.source.File)
	}
	for i := range packages {
		p := &packages[i]
		slices.Sort(p.Rules)
		slices.Sort(p.Files)
		p.Rules, p.Files = slices.Compact(p.Rules), slices.Compact(p.Files)
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return packages
}

// Digest identifies the rules and their data: "sha256:" and 64 hex digits. It does
// not depend on the order of sources, on the names of files, nor on how data is
// spread over files.
func (p *Policies) Digest() string { return p.digest }

func digestOf(files []file, data map[string]any) (string, error) {
	var parts []string
	for _, f := range files {
		if f.isModule() {
			sum := sha256.Sum256(f.content)
			parts = append(parts, "module "+hex.EncodeToString(sum[:]))
		}
	}
	slices.Sort(parts)
	canonical, err := json.Marshal(data) // sorts keys
	if err != nil {
		return "", fmt.Errorf("computing the digest of policy data: %w", err)
	}
	sum := sha256.Sum256(canonical)
	parts = append(parts, "data "+hex.EncodeToString(sum[:]))
	sum = sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
