package bundles_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
)

func parseModule(t *testing.T, reference string, options bundles.Options) *bundles.ModuleSource {
	t.Helper()
	s, err := bundles.ParseModule(reference, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A module that is pushed is fetched with its signature, by tag and by digest, once.
func TestPushModule(t *testing.T) {
	repository := "oci://" + startRegistry(t) + "/org/mounts"
	push := func(m bundles.Module) string {
		t.Helper()
		digest, err := bundles.PushModule(t.Context(), repository+":v1", "mounts.wasm", m, bundles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	signed, plain := bundles.Module{Content: []byte("a module"), Signature: []byte("signed")}, bundles.Module{Content: []byte("a module")}
	first := push(signed)
	if again := push(signed); again != first {
		t.Errorf("digests %s and %s of the same", first, again)
	}
	tagged := parseModule(t, repository+":v1", bundles.Options{})
	if _, _, err := tagged.Fetch(t.Context(), first); !errors.Is(err, bundles.ErrNotModified) {
		t.Errorf("fetched again: %v", err)
	}
	second := push(plain)
	for reference, want := range map[string]bundles.Module{":v1": plain, "@" + first: signed, "@" + second: plain} {
		got, version, err := parseModule(t, repository+reference, bundles.Options{}).Fetch(t.Context(), "")
		if diff := cmp.Diff(want, got); err != nil || diff != "" || !strings.HasPrefix(version, "sha256:") {
			t.Errorf("%s: version %q, %v (-want +got):\n%s", reference, version, err, diff)
		}
	}
	if _, _, err := tagged.Fetch(t.Context(), first); err != nil {
		t.Errorf("a tag that was moved: %v", err)
	}
}

// What is no module of a validator is refused, whatever it is.
func TestModuleLayers(t *testing.T) {
	const (
		wasm = "application/wasm"
		old  = "application/vnd.wasm.content.layer.v1+wasm"
		sig  = "application/vnd.plimsoll.validator.signature.v1.minisig"
	)
	host := startRegistry(t)
	for name, test := range map[string]struct {
		layers   [][3]string
		maxBytes int64
		want     bundles.Module
		problem  string
	}{
		"older type":     {layers: [][3]string{{old, "", "m"}}, want: bundles.Module{Content: []byte("m")}},
		"signature only": {layers: [][3]string{{sig, "", "s"}}, problem: "there is no module in it"},
		"two modules":    {layers: [][3]string{{wasm, "", "m"}, {old, "", "n"}}, problem: "more than one layer of type"},
		"two signatures": {layers: [][3]string{{wasm, "", "m"}, {sig, "", "s"}, {sig, "", "t"}}, problem: "more than one layer of type"},
		"something else": {layers: [][3]string{{wasm, "", "m"}, {"text/plain", "", "x"}}, problem: "a layer of type text/plain, which is neither a module nor its signature"},
		"too large":      {layers: [][3]string{{wasm, "", "module"}}, maxBytes: 5, problem: "the module is larger than 5 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			repository := host + "/" + strings.ReplaceAll(name, " ", "-")
			pushLayers(t, repository, test.layers)
			got, _, err := parseModule(t, "oci://"+repository+":v1", bundles.Options{MaxBytes: test.maxBytes}).Fetch(t.Context(), "")
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error is %v, want …%s…", err, test.problem)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	for reference, want := range map[string]string{
		"https://example.org/m.wasm": "is not oci://REGISTRY/REPOSITORY:TAG", "oci://example.org/m": "names no tag and no digest", "oci:///": "is not REGISTRY/REPOSITORY",
	} {
		if _, err := bundles.ParseModule(reference, bundles.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", reference, err, want)
		}
	}
	for reference, want := range map[string]string{"example.org/m:v1": "validators are pushed to oci://", "oci://example.org/m@sha256:" + strings.Repeat("0", 64): "a digest cannot be chosen"} {
		if _, err := bundles.PushModule(t.Context(), reference, "m.wasm", bundles.Module{}, bundles.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", reference, err, want)
		}
	}
}
