package bundles_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
)

// startRegistry serves an empty registry and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	web := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

func parse(t *testing.T, reference string, options bundles.Options) bundles.Source {
	t.Helper()
	s, err := bundles.Parse(reference, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is pushed is what is fetched, by tag and by digest, and only once.
func TestPush(t *testing.T) {
	host := startRegistry(t)
	push := func(content string) string {
		t.Helper()
		digest, err := bundles.Push(t.Context(), "oci://"+host+"/org/policies:v1", []byte(content), bundles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	first := push("first")
	if again := push("first"); again != first {
		t.Errorf("digests %s and %s of the same", first, again)
	}
	tagged := parse(t, "oci://"+host+"/org/policies:v1", bundles.Options{})
	if want := host + "/org/policies:v1"; tagged.Name() != want {
		t.Errorf("name is %s, want %s", tagged.Name(), want)
	}
	content, version, err := tagged.Fetch(t.Context(), "")
	if err != nil || string(content) != "first" || version != first {
		t.Errorf("fetched %q, %s, %v", content, version, err)
	}
	if _, _, err := tagged.Fetch(t.Context(), first); !errors.Is(err, bundles.ErrNotModified) {
		t.Errorf("fetched again: %v", err)
	}
	second := push("second")
	for reference, want := range map[string]string{":v1": "second", "@" + first: "first", "@" + second: "second"} {
		content, _, err := parse(t, "oci://"+host+"/org/policies"+reference, bundles.Options{}).Fetch(t.Context(), "")
		if err != nil || string(content) != want {
			t.Errorf("%s is %q, %v", reference, content, err)
		}
	}
	if _, _, err := tagged.Fetch(t.Context(), first); err != nil {
		t.Errorf("a tag that was moved: %v", err)
	}
}

// Layers of files, as conftest and oras push them, become an archive. What is something
// else is refused.
func TestLayers(t *testing.T) {
	const (
		rego = "application/vnd.cncf.openpolicyagent.policy.layer.v1+rego"
		data = "application/vnd.cncf.openpolicyagent.data.layer.v1+json"
	)
	host := startRegistry(t)
	layer := func(mediaType, title, content string) [3]string { return [3]string{mediaType, title, content} }
	for name, test := range map[string]struct {
		layers   [][3]string
		maxBytes int64
		want     map[string]string
		problem  string
	}{
		"files":      {layers: [][3]string{layer(rego, "policy/a.rego", "package a"), layer(data, "data.json", "{}")}, want: map[string]string{"policy/a.rego": "package a", "data.json": "{}"}},
		"no title":   {layers: [][3]string{layer(rego, "", "package a")}, problem: "has no title"},
		"an image":   {layers: [][3]string{layer("application/vnd.docker.image.rootfs.diff.tar.gzip", "", "x")}, problem: "which is neither an archive nor policies"},
		"two":        {layers: [][3]string{layer(ocispec.MediaTypeImageLayerGzip, "", "x"), layer(ocispec.MediaTypeImageLayerGzip, "", "y")}, problem: "it has 2 archives and 0 files as layers"},
		"both":       {layers: [][3]string{layer(ocispec.MediaTypeImageLayerGzip, "", "x"), layer(rego, "a.rego", "y")}, problem: "it has 1 archives and 1 files as layers"},
		"too large":  {layers: [][3]string{layer(rego, "a.rego", "package a")}, maxBytes: 5, problem: "the bundle is larger than 5 bytes"},
		"nothing":    {problem: "neither an archive nor policies"},
		"not pushed": {layers: nil, maxBytes: -1, problem: "the registry has no such repository, tag or digest"},
	} {
		t.Run(name, func(t *testing.T) {
			repository := strings.ReplaceAll(name, " ", "-")
			if test.maxBytes >= 0 {
				pushLayers(t, host+"/"+repository, test.layers)
			}
			content, _, err := parse(t, "oci://"+host+"/"+repository+":v1", bundles.Options{MaxBytes: test.maxBytes}).Fetch(t.Context(), "")
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error is %v, want …%s…", err, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, unpacked(t, content)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func pushLayers(t *testing.T, repository string, layers [][3]string) {
	t.Helper()
	r, err := remote.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	r.PlainHTTP = true
	var descriptors []ocispec.Descriptor
	for _, l := range layers {
		d, err := oras.PushBytes(t.Context(), r, l[0], []byte(l[2]))
		if err != nil {
			t.Fatal(err)
		}
		d.Annotations = map[string]string{ocispec.AnnotationTitle: l[1]}
		descriptors = append(descriptors, d)
	}
	manifest, err := oras.PackManifest(t.Context(), r, oras.PackManifestVersion1_1, "application/x", oras.PackManifestOptions{Layers: descriptors})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Tag(t.Context(), manifest, "v1"); err != nil {
		t.Fatal(err)
	}
}

func unpacked(t *testing.T, content []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(zipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(text)
	}
}

// What a web server may answer.
func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	defer web.Close()
	mux.HandleFunc("/good", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "bundle")
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100)) })
	mux.HandleFunc("/unasked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	mux.Handle("/moved", http.RedirectHandler("/good", http.StatusFound))
	mux.Handle("/abroad", http.RedirectHandler("http://bundles.example.org/", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	for path, want := range map[string]string{
		"/good": "", "/moved": "", "/large": "the bundle is larger than 50 bytes", "/absent": "the server answers 404 Not Found",
		"/unasked": "the server answers 304 Not Modified", "/abroad": "redirected to plain HTTP at bundles.example.org", "/round": "too many redirects",
	} {
		t.Run(path, func(t *testing.T) {
			s := parse(t, web.URL+path+"?secret", bundles.Options{MaxBytes: 50})
			content, version, err := s.Fetch(t.Context(), "")
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("error is %v, want …%s…", err, want)
				}
				return
			}
			if err != nil || string(content) != "bundle" || version != `"1"` {
				t.Errorf("fetched %q, %s, %v", content, version, err)
			}
			if _, _, err := s.Fetch(t.Context(), version); !errors.Is(err, bundles.ErrNotModified) {
				t.Errorf("fetched again: %v", err)
			}
		})
	}
	web.Close()
	if _, _, err := parse(t, web.URL+"/good?secret", bundles.Options{}).Fetch(t.Context(), ""); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestParse(t *testing.T) {
	for reference, want := range map[string]string{
		"oci://registry.example.org/a/b:v1":          "registry.example.org/a/b:v1",
		"https://example.org/bundles/p.tar.gz?key=x": "example.org/bundles/p.tar.gz",
		"http://127.0.0.1:8080/p.tar.gz":             "127.0.0.1:8080/p.tar.gz",
		"http://[::1]:8080/p.tar.gz":                 "[::1]:8080/p.tar.gz",
		"http://localhost/p.tar.gz":                  "localhost/p.tar.gz",
		"oci://registry.example.org/a/b":             "! names no tag and no digest",
		"oci://registry":                             "! is not REGISTRY/REPOSITORY:TAG",
		"oci://registry/a@sha256:abc":                "! is not REGISTRY/REPOSITORY:TAG",
		"http://example.org/p.tar.gz":                "! plain HTTP is refused beyond this machine: use https",
		"http://127.0.0.1.example.org/p.tar.gz":      "! plain HTTP is refused",
		"https://user:hunter2@example.org/p.tar.gz":  "! a URL must not have a password in it",
		"https://example.org/":                       "! does not say where on a server the bundle is",
		"https://exa mple.org/hunter2":               "! it is not a URL",
		"ftp://example.org/p.tar.gz":                 `! scheme "ftp" is none of oci, https, http`,
	} {
		t.Run(reference, func(t *testing.T) {
			got := ""
			s, err := bundles.Parse(reference, bundles.Options{})
			if err != nil {
				got = "! " + err.Error()
			} else {
				got = s.Name()
			}
			problem, refused := strings.CutPrefix(want, "! ")
			if refused && (err == nil || !strings.Contains(got, problem)) || !refused && got != want || strings.Contains(got, "hunter2") {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	if _, err := bundles.Parse("http://example.org/p.tar.gz", bundles.Options{PlainHTTP: true}); err != nil {
		t.Errorf("where it is allowed: %v", err)
	}
	for _, reference := range []string{"https://example.org/x", "oci://registry/a", fmt.Sprintf("oci://registry/a@sha256:%064d", 0)} {
		if _, err := bundles.Push(t.Context(), reference, nil, bundles.Options{}); err == nil {
			t.Errorf("pushed to %s", reference)
		}
	}
}
