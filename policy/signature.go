package policy

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// Verifier accepts sources that are signed, as OPA signs bundles, with one of its keys
// and for its scope: what is loaded of them is what was signed, no less and no more.
type Verifier struct {
	keys  []verificationKey
	scope string
}

// verificationKey is a public key in PEM and the algorithms that it may be used with,
// its own first. What a token says of its algorithm chooses among these only.
type verificationKey struct {
	pem        string
	algorithms []string
}

// NewVerifier makes a verifier of public keys or certificates in PEM: RSA, ECDSA or
// Ed25519. A signature must have the scope, which may be empty. Shared secrets (HMAC) are
// no keys here: who could verify with one could sign.
func NewVerifier(scope string, keys ...[]byte) (*Verifier, error) {
	v := &Verifier{scope: scope}
	for _, k := range keys {
		key, err := parsePublicKey(k)
		if err != nil {
			return nil, err
		}
		algorithms, err := algorithmsOf(key)
		if err != nil {
			return nil, err
		}
		v.keys = append(v.keys, verificationKey{pem: string(k), algorithms: algorithms})
	}
	if len(v.keys) == 0 {
		return nil, errors.New("no verification keys are given")
	}
	return v, nil
}

func parsePublicKey(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a key in PEM")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("it is a private key: keep that where policies are signed, and give the public one")
	}
	return nil, fmt.Errorf("%s in PEM is no public key", block.Type)
}

// algorithmsOf returns the algorithms of RFC 7518 and 8037 that a key may be used with;
// the first is the usual one.
func algorithmsOf(key crypto.PublicKey) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		algorithms := map[int][]string{256: {"ES256"}, 384: {"ES384"}, 521: {"ES512"}}
		if a := algorithms[key.Curve.Params().BitSize]; a != nil {
			return a, nil
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("want a key for RSA, ECDSA (P-256, P-384, P-521) or Ed25519")
}

// defaultPlugin is what OPA calls its own way to sign.
const defaultPlugin = "_default"

// weakHashes are those in which other content with the same hash can be made.
var weakHashes = []string{"MD5", "SHA-1"}

// verify returns an error unless all files of c are as they were signed, and all that
// were signed are there.
func (v *Verifier) verify(c contents) error {
	signed, err := v.signedFiles(c)
	if err != nil {
		return err
	}
	for _, f := range c.Files {
		if f.Path == signaturesFile {
			continue
		}
		if info, ok := signed[f.Path]; ok && slices.Contains(weakHashes, info.Algorithm) {
			return fmt.Errorf("%s is hashed with %s, which is broken: sign with SHA-256", f.Path, info.Algorithm)
		}
		if err := checkStructured(f); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if err := bundle.VerifyBundleFile(f.Path, *bytes.NewBuffer(f.Content), signed); err != nil {
			return err
		}
	}
	if len(signed) > 0 {
		return fmt.Errorf("files that were signed are missing: %s", strings.Join(slices.Sorted(maps.Keys(signed)), ", "))
	}
	return nil
}

// checkStructured refuses JSON whose hash would leave open what it says: OPA hashes what
// its parser makes of these files.
func checkStructured(f rawFile) error {
	if bundle.IsStructuredDoc(f.Path) && !bundle.IsYAMLDataFile(f.Path) {
		return checkJSON(f.Content)
	}
	return nil
}

// signedFiles returns what the signature of c says of files, by path.
func (v *Verifier) signedFiles(c contents) (map[string]bundle.FileInfo, error) {
	content := c.file(signaturesFile)
	switch {
	case len(c.Files) == 1 && c.Files[0].Path == ".":
		return nil, errors.New("a single file cannot be signed: give a directory or a bundle")
	case content == nil:
		return nil, fmt.Errorf("it is not signed: there is no %s in it", signaturesFile)
	}
	var signatures bundle.SignaturesConfig
	if err := checkJSON(content); err != nil {
		return nil, fmt.Errorf("%s: %w", signaturesFile, err)
	}
	if err := json.Unmarshal(content, &signatures); err != nil {
		return nil, fmt.Errorf("%s: %w", signaturesFile, err)
	}
	if signatures.Plugin != "" && signatures.Plugin != defaultPlugin {
		return nil, fmt.Errorf("%s: it is for the plugin %q, which there is not", signaturesFile, signatures.Plugin)
	}
	var errs []error
	for _, key := range v.keys {
		signed, err := key.verify(signatures, v.scope)
		if err == nil {
			return signed, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no key accepts it: %w", errors.Join(errs...))
}

// verify verifies a signature with one key.
func (k verificationKey) verify(signatures bundle.SignaturesConfig, scope string) (map[string]bundle.FileInfo, error) {
	config := bundle.KeyConfig{Key: k.pem, Algorithm: k.algorithms[0]}
	if len(signatures.Signatures) == 1 {
		if named := algorithmOf(signatures.Signatures[0]); slices.Contains(k.algorithms, named) {
			config.Algorithm = named
		}
	}
	const id = "key" // chosen here, whatever the token says
	return bundle.VerifyBundleSignature(signatures, bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{id: &config}, id, scope, nil))
}

// algorithmOf is what a token says of its algorithm; empty if it does not.
func algorithmOf(token string) string {
	encoded, _, _ := strings.Cut(token, ".")
	var header struct {
		Algorithm string `json:"alg"`
	}
	if decoded, err := base64.RawURLEncoding.DecodeString(encoded); err != nil || json.Unmarshal(decoded, &header) != nil {
		return ""
	}
	return header.Algorithm
}

// SigningKey signs bundles.
type SigningKey struct {
	pem       string
	algorithm string
}

// NewSigningKey makes one of a private key in PEM: RSA, ECDSA or Ed25519. algorithm is
// that of the signature; empty means the usual one for the key.
func NewSigningKey(text []byte, algorithm string) (*SigningKey, error) {
	private, err := parsePrivateKey(text)
	if err != nil {
		return nil, err
	}
	algorithms, err := algorithmsOf(private.Public())
	switch {
	case err != nil:
		return nil, err
	case algorithm == "":
		algorithm = algorithms[0]
	case !slices.Contains(algorithms, algorithm):
		return nil, fmt.Errorf("the key cannot be used with %s, only with %s", algorithm, strings.Join(algorithms, ", "))
	}
	return &SigningKey{pem: string(text), algorithm: algorithm}, nil
}

func parsePrivateKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a key in PEM")
	}
	var (
		key any
		err error
	)
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%s in PEM is no private key that can be used", block.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	return signer, nil
}

// Sign returns the signatures file of a directory or archive, for all files that a
// server which verifies would look at. options need no verifier.
func Sign(options Options, source Source, key *SigningKey, scope, keyID string) ([]byte, error) {
	c, err := readAll(options, source)
	if err != nil {
		return nil, err
	}
	return c.sign(key, scope, keyID)
}

// SignArchive returns an archive of all files of a directory or archive, signed.
func SignArchive(options Options, source Source, key *SigningKey, scope, keyID string) ([]byte, error) {
	c, err := readAll(options, source)
	if err != nil {
		return nil, err
	}
	signatures, err := c.sign(key, scope, keyID)
	if err != nil {
		return nil, err
	}
	c.Files = slices.DeleteFunc(c.Files, func(f rawFile) bool { return f.Path == signaturesFile })
	return pack(append(c.Files, rawFile{Path: signaturesFile, Content: signatures}))
}

// Pack returns an archive of all files of a directory or archive, with its signature if
// it has one. It fails if the policies in it could not be loaded for a reason that needs
// no compiling.
func Pack(options Options, source Source) ([]byte, error) {
	c, err := readAll(options, source)
	if err != nil {
		return nil, err
	}
	return pack(c.Files)
}

// readAll reads all files that a signature covers.
func readAll(options Options, source Source) (*contents, error) {
	if err := options.ensureDefaults(); err != nil {
		return nil, err
	}
	set, err := readSet(&reader{left: options.MaxBytes, limit: options.MaxBytes, all: true}, []Source{source})
	if err != nil {
		return nil, err
	}
	c := &set.sources[0]
	if len(c.Files) == 1 && c.Files[0].Path == "." {
		return nil, errors.New("a single file is no bundle: give a directory or a .tar.gz")
	}
	return c, nil
}

func (c *contents) sign(key *SigningKey, scope, keyID string) ([]byte, error) {
	hasher, err := bundle.NewSignatureHasher(bundle.SHA256)
	if err != nil {
		return nil, err
	}
	var infos []bundle.FileInfo
	for _, f := range c.Files {
		if f.Path == signaturesFile {
			continue
		}
		var value any = f.Content
		if bundle.IsStructuredDoc(f.Path) {
			if err := checkStructured(f); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
			if err := util.Unmarshal(f.Content, &value); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		hash, err := hasher.HashFile(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		infos = append(infos, bundle.NewFile(f.Path, hex.EncodeToString(hash), bundle.SHA256.String()))
	}
	token, err := key.sign(infos, scope, keyID)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return json.MarshalIndent(bundle.SignaturesConfig{Signatures: []string{token}}, "", "  ")
}

// sign makes the token of a signature. OPA takes claims from a file only.
func (k *SigningKey) sign(infos []bundle.FileInfo, scope, keyID string) (string, error) {
	claims := map[string]any{}
	if scope != "" {
		claims["scope"] = scope
	}
	if keyID != "" {
		claims["keyid"] = keyID // where OPA looked before there was kid
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp("", "plimsoll-claims-*.json")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(file.Name()) }() // nothing secret is in it
	if _, err := file.Write(encoded); err != nil {
		return "", errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	return bundle.GenerateSignedToken(infos, bundle.NewSigningConfig(k.pem, k.algorithm, file.Name()), keyID)
}
