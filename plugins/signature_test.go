package plugins

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"aead.dev/minisign"
	"github.com/google/go-cmp/cmp"
)

// signer is a key pair in the text of minisign.
type signer struct{ public, secret []byte }

func newSigner(tb testing.TB) signer {
	tb.Helper()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := public.MarshalText()
	if err != nil {
		tb.Fatal(err)
	}
	s, err := private.MarshalText()
	if err != nil {
		tb.Fatal(err)
	}
	return signer{p, s}
}

func (s signer) sign(tb testing.TB, module []byte, comment string) []byte {
	tb.Helper()
	key, err := NewSigningKey(s.secret, nil)
	if err != nil {
		tb.Fatal(err)
	}
	signature, err := key.Sign(module, comment)
	if err != nil {
		tb.Fatal(err)
	}
	return signature
}

// flipped is data with one bit changed.
func flipped(data []byte, at int) []byte {
	out := append([]byte(nil), data...)
	out[at] ^= 1
	return out
}

func TestVerify(t *testing.T) {
	key, other := newSigner(t), newSigner(t)
	module := fixture(t, "valid")
	signature := key.sign(t, module, "mounts 1.0")
	lines := strings.SplitAfter(string(signature), "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(lines[1]))
	if err != nil {
		t.Fatal(err)
	}
	withSignature := func(raw []byte) []byte {
		return []byte(lines[0] + base64.StdEncoding.EncodeToString(raw) + "\n" + lines[2] + lines[3])
	}
	verifier, err := NewVerifier(other.public, key.public)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name              string
		module, signature []byte
		want              string // problem; empty if it is good
	}{
		{"good", module, signature, ""},
		{"of the other key", module, other.sign(t, module, ""), ""},
		{"untrusted comment changed", module, []byte(strings.Replace(string(signature), "signature from", "anything", 1)), ""},
		{"none", module, nil, "it is not signed"},
		{"empty", module, []byte{}, "its signature is not one of minisign's"},
		{"text", module, []byte("signed: yes\n"), "its signature is not one of minisign's"},
		{"a bit of the module", flipped(module, 100), signature, "does not fit"},
		{"longer module", append(append([]byte(nil), module...), 0), signature, "does not fit"},
		{"a bit of the signature", module, withSignature(flipped(raw, 20)), "does not fit"},
		{"a bit of the key's id", module, withSignature(flipped(raw, 2)), "and only these count"},
		{"trusted comment changed", module, []byte(strings.Replace(string(signature), "mounts 1.0", "mounts 2.0", 1)), "does not fit"},
		{"unknown key", module, newSigner(t).sign(t, module, ""), "and only these count"},
		{"of another module", module, key.sign(t, []byte("x"), ""), "does not fit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := verifier.Verify(tt.module, tt.signature)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if (err == nil) != (got.KeyID != "") {
				t.Errorf("signature is %+v with error %v", got, err)
			}
		})
	}
	for name, tt := range map[string]struct {
		key  []byte
		want string
	}{
		"secret":           {key.secret, "it is a secret key"},
		"encrypted secret": {[]byte(encryptedKey), "it is a secret key"},
		"text":             {[]byte("key"), "not a public key of minisign"},
		"empty":            {nil, "not a public key of minisign"},
	} {
		if _, err := NewVerifier(tt.key); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want …%s…", name, err, tt.want)
		}
	}
	if _, err := NewVerifier(); err == nil {
		t.Error("a verifier without keys")
	}
}

// encryptedKey is encrypted with "a word", and at less expense than minisign goes to.
const (
	encryptedKey = "untrusted comment: minisign encrypted secret key\n" +
		"RWRTY0Iyn15+onNScZl6fYmv3UzyUjykDPL0HG8Oh3xGBq09ywgAgAAAAAAAAAAAAAEAAAAAZFe6BvnUwQWbftfkXdA9rNiG3HLKmU/CpmmT1pkrz8SzZAp+F7aeJvJd4wPFeduQp/z3ngXThocarwy7w3L43rWkA5WSRWY4IOfFMCLE+KYkYCcyEKbaTDbDLDpfFDrBfFczB2/12Q8=\n"
	encryptedKeysPublic = "untrusted comment: minisign public key CBDCEEB79D4F82EE\nRWTugk+dt+7cy8+UUzXLhY2FJKwW2Ntav3QPNtWfibWMsjktnQrTAGaX\n"
)

func TestSigningKey(t *testing.T) {
	var public minisign.PublicKey
	if err := public.UnmarshalText([]byte(encryptedKeysPublic)); err != nil {
		t.Fatal(err)
	}
	encrypted := []byte(encryptedKey)
	if _, err := NewSigningKey(encrypted, nil); !errors.Is(err, ErrPasswordNeeded) {
		t.Errorf("without a password: %v", err)
	}
	if _, err := NewSigningKey(encrypted, []byte("password")); err == nil || !strings.Contains(err.Error(), "the password is wrong") {
		t.Errorf("with another password: %v", err)
	}
	if _, err := NewSigningKey([]byte("key"), nil); err == nil || !strings.Contains(err.Error(), "not a secret key of minisign") {
		t.Errorf("with a key that is none: %v", err)
	}
	key, err := NewSigningKey(encrypted, []byte("a word"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range [][]byte{nil, []byte("a module"), fixture(t, "valid")} {
		signature, err := key.Sign(module, "comment")
		if err != nil || !minisign.Verify(public, module, signature) {
			t.Errorf("%d bytes: %v\n%s", len(module), err, signature)
		}
	}
	for _, comment := range []string{"two\nlines", "a\rb", strings.Repeat("x", maxCommentBytes+1)} {
		if _, err := key.Sign(nil, comment); err == nil {
			t.Errorf("comment of %d bytes is signed", len(comment))
		}
	}
}

// With keys every module must be signed, but for those that are part of the program.
func TestLoadSigned(t *testing.T) {
	key := newSigner(t)
	module := fixture(t, "valid")
	verifier, err := NewVerifier(key.public)
	if err != nil {
		t.Fatal(err)
	}
	d := onDisk{t, t.TempDir()}
	d.write("validators.yaml", "validators:\n- {name: a, module: a.wasm, sha256: "+digest(module)+"}\n- {name: b, module: b.wasm, sha256: "+digest(module)+"}\n")
	d.write("a.wasm", string(module))
	d.write("b.wasm", string(module))
	d.write("a.wasm.minisig", string(key.sign(t, module, "release\t1.0")))
	opts := Options{Verifier: verifier}
	if _, err := Load(t.Context(), opts, d.config()); err == nil || !strings.HasSuffix(err.Error(), "validators.yaml: validators[1]: b.wasm: it is not signed") {
		t.Errorf("one is not signed: %v", err)
	}
	d.write("b.wasm.minisig", strings.Repeat("x", maxSignatureBytes+1))
	if _, err := Load(t.Context(), opts, d.config()); err == nil || !strings.Contains(err.Error(), "validators[1].module: b.wasm.minisig has more than 16 KiB") {
		t.Errorf("a large signature: %v", err)
	}
	d.write("b.wasm.minisig", string(key.sign(t, module, "")))
	v, err := Load(t.Context(), opts, d.config())
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	unsigned, err := Load(t.Context(), Options{}, d.config())
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, unsigned)
	id := v.List()[0].Signature.KeyID
	if diff := cmp.Diff(&Signature{KeyID: id, Comment: "release\t1.0"}, v.List()[0].Signature); diff != "" || len(id) != 16 {
		t.Errorf("signature (-want +got):\n%s", diff)
	}
	if v.Digest() != unsigned.Digest() || unsigned.List()[0].Signature != nil {
		t.Error("who signed makes a difference to the digest, or is known without keys")
	}
	builtIn, err := Load(t.Context(), opts, FS(fstest.MapFS{"validators.yaml": {Data: []byte("validators:\n" + bound("valid", module))}, "valid.wasm": {Data: module}}, "validators.yaml"))
	if err != nil {
		t.Fatalf("part of the program: %v", err)
	}
	closeLater(t, builtIn)
}
