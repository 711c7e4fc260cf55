package library_test

import (
	"context"
	"testing"

	"github.com/distribution/reference"
	"github.com/open-policy-agent/opa/v1/rego"
)

// References mean to the policies what they mean to the library that container tools read
// them with.
func FuzzReferences(f *testing.F) {
	for _, seed := range []string{
		"nginx", "nginx:1.27", "library/nginx", "docker.io/nginx", "index.docker.io/nginx:1", "localhost/a", "localhost:5000/a/b:c",
		"[::1]:5000/a", "Docker.io/a", "a.b/c_d/e__f:G", "a/b-/c", "x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"a//b", "a/../b", "a:b:c", "https://a/b", "-a", "a.b", "a.b:80", "A/b", "a_b/c", "a..b/c",
	} {
		f.Add(seed)
	}
	query, err := rego.New(
		rego.Query(`x := data.library.image_registries.wellformed; y := data.library.image_registries.repository`),
		rego.Load([]string{"image_registries/image_registries.rego"}, nil),
	).PrepareForEval(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, image string) {
		results, err := query.Eval(context.Background(), rego.EvalInput(map[string]any{"object": map[string]any{"image": image}}))
		if err != nil {
			t.Fatal(err)
		}
		if len(results) == 0 {
			return // refused
		}
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			return // refused by whoever pulls it
		}
		if have, want := results[0].Bindings["y"], named.Name(); have != want {
			t.Errorf("%q is from %q, want %q", image, have, want)
		}
	})
}
