package policy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/plimsoll-project/plimsoll/policy"
)

// keyPair makes a private key and its public one in PEM.
func keyPair(t *testing.T, kind string) (private, public []byte) {
	t.Helper()
	var (
		key crypto.Signer
		err error
	)
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	encodedPrivate, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encodedPublic, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encodedPrivate}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encodedPublic})
}

// unpacked are the files of a .tar.gz.
func unpacked(t *testing.T, content []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
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

// signed makes a signed bundle of names and contents and returns its files.
func signed(t *testing.T, private []byte, algorithm, scope string, namesAndContents ...string) map[string]string {
	t.Helper()
	key, err := policy.NewSigningKey(private, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	content, err := policy.SignArchive(policy.Options{}, policy.Archive("bundle", []byte(archive(t, namesAndContents...))), key, scope, "")
	if err != nil {
		t.Fatal(err)
	}
	return unpacked(t, content)
}

func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, name, files[name])
	}
	return []byte(archive(t, all...))
}

func verifier(t *testing.T, scope string, public ...[]byte) *policy.Verifier {
	t.Helper()
	v, err := policy.NewVerifier(scope, public...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever algorithm a key can be used with, what it signed is accepted, here and by
// OPA.
func TestSignatures(t *testing.T) {
	for kind, algorithms := range map[string][]string{
		"rsa": {"", "RS512", "PS256"}, "p256": {"", "ES256"}, "p384": {"ES384"}, "ed25519": {""},
	} {
		for _, algorithm := range algorithms {
			t.Run(kind+" "+algorithm, func(t *testing.T) {
				private, public := keyPair(t, kind)
				files := signed(t, private, algorithm, "prod", "a.rego", denies, "b/data.json", `{"x": 1}`, ".manifest", `{"revision": "7", "roots": ["a", "b"]}`)
				content := packed(t, files)
				_, other := keyPair(t, kind)
				options := policy.Options{Verifier: verifier(t, "prod", other, public)}
				set, err := policy.Read(t.Context(), options, policy.Archive("bundle", content))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]policy.SourceInfo{{Name: "bundle", Revision: "7"}}, set.Info()); diff != "" {
					t.Errorf("info (-want +got):\n%s", diff)
				}
				if kind == "ed25519" {
					return // which OPA's configuration has no name for
				}
				if algorithm == "" {
					algorithm = map[string]string{"rsa": "RS256", "p256": "ES256"}[kind]
				}
				config := bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{"k": {Key: string(public), Algorithm: algorithm}}, "k", "prod", nil)
				if _, err := bundle.NewReader(bytes.NewReader(content)).WithBundleVerificationConfig(config).Read(); err != nil {
					t.Errorf("OPA refuses the bundle: %v", err)
				}
			})
		}
	}
}

// Bundles that OPA builds and signs are accepted.
func TestOPABundles(t *testing.T) {
	private, public := keyPair(t, "p256")
	b := bundle.Bundle{
		Manifest: bundle.Manifest{Revision: "9", Roots: &[]string{"a", "b"}},
		Data:     map[string]any{"b": map[string]any{"x": 1}},
		Modules:  []bundle.ModuleFile{{URL: "/a/a.rego", Path: "/a/a.rego", Raw: []byte(denies), Parsed: ast.MustParseModule(denies)}},
	}
	b.Manifest.SetRegoVersion(ast.RegoV1)
	if err := b.GenerateSignature(bundle.NewSigningConfig(string(private), "ES256", ""), "k1", false); err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := bundle.NewWriter(&content).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	source := policy.Archive("bundle", content.Bytes())
	if _, err := policy.Load(t.Context(), policy.Options{Verifier: verifier(t, "", public)}, source); err != nil {
		t.Error(err)
	}
}

// Once signatures are verified, nothing is loaded but what was signed.
func TestRefusedSignatures(t *testing.T) {
	private, public := keyPair(t, "p256")
	otherPrivate, _ := keyPair(t, "p256")
	weak := func() string { // MD5 of everything, signed
		key, err := bundle.GenerateSignedToken([]bundle.FileInfo{{Name: "a.rego", Hash: "00", Algorithm: "MD5"}}, bundle.NewSigningConfig(string(private), "ES256", ""), "")
		if err != nil {
			t.Fatal(err)
		}
		return `{"signatures": ["` + key + `"]}`
	}()
	hmac, err := bundle.GenerateSignedToken([]bundle.FileInfo{}, bundle.NewSigningConfig(string(public), "HS256", ""), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(files map[string]string)
		want   string
	}{
		"unsigned":               {func(f map[string]string) { delete(f, ".signatures.json") }, "it is not signed: there is no .signatures.json in it"},
		"no tokens":              {func(f map[string]string) { f[".signatures.json"] = `{"signatures": []}` }, "missing JWT"},
		"empty":                  {func(f map[string]string) { f[".signatures.json"] = `{}` }, "missing JWT"},
		"two tokens":             {func(f map[string]string) { f[".signatures.json"] = `{"signatures": ["a.b.c", "d.e.f"]}` }, "multiple JWTs not supported"},
		"no JSON":                {func(f map[string]string) { f[".signatures.json"] = `signed, me` }, ".signatures.json: jsontext: "},
		"signatures twice":       {func(f map[string]string) { f[".signatures.json"] = `{"signatures": [], "signatures": []}` }, "duplicate object member name"},
		"a plugin":               {func(f map[string]string) { f[".signatures.json"] = `{"signatures": ["a.b.c"], "plugin": "yes"}` }, `for the plugin "yes", which there is not`},
		"garbage":                {func(f map[string]string) { f[".signatures.json"] = `{"signatures": ["a.b.c"]}` }, "no key accepts it"},
		"the public key as HMAC": {func(f map[string]string) { f[".signatures.json"] = `{"signatures": ["` + hmac + `"]}` }, "failed to verify JWT signature"},
		"no algorithm":           {func(f map[string]string) { f[".signatures.json"] = `{"signatures": ["eyJhbGciOiJub25lIn0.e30."]}` }, "failed to verify JWT signature"},
		"another key":            {func(f map[string]string) { maps.Copy(f, signed(t, otherPrivate, "", "", "a.rego", denies)) }, "failed to verify JWT signature"},
		"another scope":          {func(f map[string]string) { maps.Copy(f, signed(t, private, "", "dev", "a.rego", denies)) }, "scope mismatch"},
		"a broken hash":          {func(f map[string]string) { f[".signatures.json"] = weak }, "a.rego is hashed with MD5, which is broken: sign with SHA-256"},
		"a rule changed":         {func(f map[string]string) { f["a.rego"] = "package a\n\nwarn contains \"no\"\n" }, "a.rego: digest mismatch"},
		"data changed":           {func(f map[string]string) { f["b/data.json"] = `{"x": 2}` }, "b/data.json: digest mismatch"},
		"data twice":             {func(f map[string]string) { f["b/data.json"] = `{"x": 2, "x": 1}` }, "duplicate object member name"},
		"data not JSON":          {func(f map[string]string) { f["b/data.json"] = "x: 1" }, "b/data.json: jsontext: "},
		"a file more":            {func(f map[string]string) { f["c.rego"] = denies }, "file c.rego not included in bundle signature"},
		"a test more":            {func(f map[string]string) { f["c_test.rego"] = denies }, "file c_test.rego not included in bundle signature"},
		"a manifest more":        {func(f map[string]string) { f[".manifest"] = `{"roots": ["a"]}` }, "file .manifest not included in bundle signature"},
		"a file less":            {func(f map[string]string) { delete(f, "b/data.json") }, "files that were signed are missing: b/data.json"},
		"a patch":                {func(f map[string]string) { f["patch.json"] = `{"data": []}` }, "this is a delta bundle"},
		"a patch, deeper":        {func(f map[string]string) { f["x/patch.json"] = `{"data": []}` }, "this is a delta bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			files := signed(t, private, "", "", "a.rego", denies, "b/data.json", `{"x": 1}`)
			options := policy.Options{Verifier: verifier(t, "", public)}
			if _, err := policy.Read(t.Context(), options, policy.Archive("bundle", packed(t, files))); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			test.change(files)
			content := packed(t, files)
			if _, err := policy.Read(t.Context(), options, policy.Archive("bundle", content)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want …%s…", err, test.want)
			}
			if name == "a test more" {
				return // which is not kept
			}
			// What was kept of it is checked like the thing itself.
			set, err := policy.Read(t.Context(), policy.Options{}, policy.Archive("bundle", content))
			if err != nil {
				return
			}
			if _, err := policy.Read(t.Context(), options, set.Again()...); err == nil {
				t.Error("it is accepted when it is read again")
			}
		})
	}
}

// Directories can be signed, as in a ConfigMap; single files and what is built in cannot,
// and the latter need not be.
func TestSignedSources(t *testing.T) {
	private, public := keyPair(t, "ed25519")
	key, err := policy.NewSigningKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.rego", denies)
	write("README.md", "read me")
	signatures, err := policy.Sign(policy.Options{}, policy.Path(dir), key, "", "k1")
	if err != nil {
		t.Fatal(err)
	}
	write(".signatures.json", string(signatures))
	options := policy.Options{Verifier: verifier(t, "", public)}
	if _, err := policy.Load(t.Context(), options, policy.Path(dir)); err != nil {
		t.Error(err)
	}
	write("README.md", "trust me")
	if _, err := policy.Load(t.Context(), options, policy.Path(dir)); err == nil {
		t.Error("a changed file is accepted")
	}
	if _, err := policy.Load(t.Context(), options, policy.Path(filepath.Join(dir, "a.rego"))); err == nil || !strings.Contains(err.Error(), "a single file cannot be signed") {
		t.Errorf("single file: %v", err)
	}
	if _, err := policy.Load(t.Context(), options, files("a.rego", denies)); err != nil {
		t.Errorf("part of the program: %v", err)
	}
}

func TestKeys(t *testing.T) {
	private, public := keyPair(t, "rsa")
	_, p256 := keyPair(t, "p256")
	for name, test := range map[string]struct {
		key  []byte
		want string
	}{
		"nothing":        {nil, "not a key in PEM"},
		"private":        {private, "it is a private key: keep that where policies are signed"},
		"broken":         {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "asn1: "},
		"something else": {pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}), "X509 CRL in PEM is no public key"},
		"a secret":       {[]byte("hunter2"), "not a key in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := policy.NewVerifier("", public, test.key); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want …%s…", err, test.want)
			}
		})
	}
	if _, err := policy.NewVerifier(""); err == nil {
		t.Error("a verifier without keys")
	}
	if _, err := policy.NewSigningKey(private, "ES256"); err == nil || !strings.Contains(err.Error(), "cannot be used with ES256") {
		t.Errorf("ES256 with an RSA key: %v", err)
	}
	if _, err := policy.NewSigningKey(p256, ""); err == nil {
		t.Error("a public key signs")
	}
}

// What manifests say is done, or refused.
func TestManifests(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		want  string // empty: it loads
	}{
		"roots":                     {[]string{".manifest", `{"revision": "1", "roots": ["a", "b/c"]}`, "a.rego", denies, "data.json", `{"b": {"c": 1}}`}, ""},
		"a package outside":         {[]string{".manifest", `{"roots": ["b"]}`, "a.rego", denies}, `data.a is not under the roots of the bundle's manifest`},
		"a package of similar name": {[]string{".manifest", `{"roots": ["ab"]}`, "a.rego", denies}, `data.a is not under the roots`},
		"data outside":              {[]string{".manifest", `{"roots": ["a", "b/c"]}`, "a.rego", denies, "data.json", `{"b": {"d": 1}}`}, `data.b.d is not under the roots of the bundle's manifest: they are ["a" "b/c"]`},
		"data above":                {[]string{".manifest", `{"roots": ["a", "b/c"]}`, "a.rego", denies, "data.json", `{"b": 1}`}, `data.b is not under the roots`},
		"no roots":                  {[]string{".manifest", `{"roots": []}`, "a.rego", denies}, `data.a is not under the roots`},
		"old Rego":                  {[]string{".manifest", `{"rego_version": 0}`, "a.rego", denies}, ".manifest: rego_version says version 0 of Rego: only version 1 is understood"},
		"old Rego in a file":        {[]string{".manifest", `{"rego_version": 1, "file_rego_versions": {"a.rego": 0}}`, "a.rego", denies}, ".manifest: a.rego says version 0"},
		"new Rego":                  {[]string{".manifest", `{"rego_version": 1}`, "a.rego", denies}, ""},
		"WebAssembly":               {[]string{".manifest", `{"wasm": [{"entrypoint": "a/deny", "module": "policy.wasm"}]}`, "a.rego", denies}, "rules compiled to WebAssembly cannot be checked"},
		"protobuf":                  {[]string{".manifest.pb", "x", "a.rego", denies}, "manifests in protobuf are not understood"},
		"no JSON":                   {[]string{".manifest", "roots: [a]", "a.rego", denies}, ".manifest: jsontext: "},
		"an unknown key":            {[]string{".manifest", `{"rots": ["a"]}`, "a.rego", denies}, `unknown field "rots"`},
		"delta":                     {[]string{"patch.json", `{"data": []}`, "a.rego", denies}, "this is a delta bundle, which holds changes only (patch.json): give the whole bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, source := range map[string]policy.Source{"archive": policy.Archive("bundle", []byte(archive(t, test.files...))), "directory": files(test.files...)} {
				_, err := policy.Load(t.Context(), policy.Options{}, source)
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("%s: error is %v, want …%s…", kind, err, test.want)
				}
			}
		})
	}
	a := policy.Archive("a", []byte(archive(t, ".manifest", `{"roots": ["a"]}`, "a.rego", denies)))
	b := policy.Archive("b", []byte(archive(t, ".manifest", `{"roots": ["a/b"]}`, "b.rego", "package a.b\n\ndeny contains \"x\"\n")))
	const want = `the manifests of policies a and b both claim the root "a/b": give them roots of their own`
	if _, err := policy.Load(t.Context(), policy.Options{}, a, b); err == nil || err.Error() != want {
		t.Errorf("overlapping roots: %v", err)
	}
}

// A set can be handed on: it makes the same policies elsewhere.
func TestSetEncoding(t *testing.T) {
	set, err := policy.Read(t.Context(), policy.Options{}, files("a.rego", denies, "x/data.yaml", "y: 1"))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := policy.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, s := range []*policy.Set{set, decoded} {
		p, err := s.Compile(t.Context(), policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, p.Digest())
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %v differ", digests)
	}
	for _, bad := range []string{"", "[]", "{}", "[1]", string(encoded[:len(encoded)-2])} {
		if _, err := policy.Decode([]byte(bad)); err == nil {
			t.Errorf("%.20q is decoded", bad)
		}
	}
}

// FuzzArchive: whatever is in an archive, reading it ends, and what it keeps can be read
// again.
func FuzzArchive(f *testing.F) {
	f.Add("a.rego", []byte(denies), ".manifest", []byte(`{"roots": ["a"]}`))
	f.Add("../a.rego", []byte(denies), "patch.json", []byte(`{}`))
	f.Add(".signatures.json", []byte(`{"signatures": ["a.b.c"]}`), "/data.json", []byte(`{}`))
	f.Fuzz(func(t *testing.T, nameA string, a []byte, nameB string, b []byte) {
		var archive bytes.Buffer
		zipped := gzip.NewWriter(&archive)
		w := tar.NewWriter(zipped)
		for _, file := range []struct {
			name    string
			content []byte
		}{{nameA, a}, {nameB, b}} {
			if w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file.name, Size: int64(len(file.content))}) != nil {
				return // tar cannot name that
			}
			_, _ = w.Write(file.content)
		}
		_, _ = w.Close(), zipped.Close()
		set, err := policy.Read(t.Context(), policy.Options{MaxBytes: 1 << 20}, policy.Archive("fuzz", archive.Bytes()))
		if err != nil {
			return
		}
		if _, err := policy.Read(t.Context(), policy.Options{}, set.Again()...); err != nil {
			t.Errorf("it is not accepted again: %v", err)
		}
		if _, err := json.Marshal(set.Info()); err != nil {
			t.Error(err)
		}
	})
}
