package plugins

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"aead.dev/minisign"
)

// SignatureExtension is what the file of a signature is called after its module:
// mounts.wasm.minisig is that of mounts.wasm.
const SignatureExtension = ".minisig"

// maxSignatureBytes bounds a signature: minisign's comments have at most 8 KiB.
const maxSignatureBytes = 16 << 10

// Signature is what is known of a signature that was verified.
type Signature struct {
	// KeyID is the ID of the key in hexadecimal, as minisign shows it.
	KeyID string `json:"key_id"`
	// Comment is the trusted comment: whoever signed wrote it.
	Comment string `json:"comment"`
}

// Verifier accepts modules that are signed, as minisign signs files, with one of its
// keys. It is safe for concurrent use.
type Verifier struct{ keys []minisign.PublicKey }

// NewVerifier makes a verifier of public keys as minisign -G writes them, one in each.
func NewVerifier(keys ...[]byte) (*Verifier, error) {
	v := &Verifier{}
	for _, text := range keys {
		var key minisign.PublicKey
		if isSecretKey(text) {
			return nil, errors.New("it is a secret key: keep that where modules are signed, and give the public one")
		}
		if err := key.UnmarshalText(text); err != nil {
			return nil, fmt.Errorf("it is not a public key of minisign: %w", err)
		}
		v.keys = append(v.keys, key)
	}
	if len(v.keys) == 0 {
		return nil, errors.New("no keys are given")
	}
	return v, nil
}

// isSecretKey tells the secret keys of minisign by their size.
func isSecretKey(text []byte) bool {
	const size = 158
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(lines[len(lines)-1])))
	return err == nil && len(decoded) == size
}

// Verify returns an error unless signature is of module, by one of the keys, with its
// trusted comment as it was signed.
func (v *Verifier) Verify(module, signature []byte) (Signature, error) {
	if signature == nil {
		return Signature{}, errors.New("it is not signed")
	}
	var parsed minisign.Signature
	if err := parsed.UnmarshalText(signature); err != nil {
		return Signature{}, fmt.Errorf("its signature is not one of minisign's: %w", err)
	}
	id := keyID(parsed.KeyID)
	var known []string
	for _, key := range v.keys {
		if key.ID() != parsed.KeyID {
			known = append(known, keyID(key.ID()))
			continue
		}
		if minisign.Verify(key, module, signature) {
			return Signature{KeyID: id, Comment: parsed.TrustedComment}, nil
		}
		return Signature{}, fmt.Errorf("its signature with key %s does not fit: the module or the trusted comment is not what was signed", id)
	}
	return Signature{}, fmt.Errorf("it is signed with key %s, and only these count: %s", id, strings.Join(known, ", "))
}

// keyID is a key's ID as minisign shows it.
func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }

// SigningKey signs modules.
type SigningKey struct{ key minisign.PrivateKey }

// ErrPasswordNeeded says that a secret key is encrypted.
var ErrPasswordNeeded = errors.New("the secret key is encrypted, and its password is not given")

// NewSigningKey reads a secret key as minisign -G writes it. password is that of an
// encrypted one; nil if there is none.
func NewSigningKey(text, password []byte) (*SigningKey, error) {
	var k SigningKey
	if !minisign.IsEncrypted(text) {
		if err := k.key.UnmarshalText(text); err != nil {
			return nil, fmt.Errorf("it is not a secret key of minisign: %w", err)
		}
		return &k, nil
	}
	if password == nil {
		return nil, ErrPasswordNeeded
	}
	var err error
	if k.key, err = minisign.DecryptKey(string(password), text); err != nil {
		return nil, errors.New("the secret key cannot be decrypted: the password is wrong, or the key is damaged")
	}
	return &k, nil
}

// maxCommentBytes is the most that minisign reads of a comment.
const maxCommentBytes = 8 << 10

// Sign signs a module. comment is what is signed along with it, of one line.
func (k *SigningKey) Sign(module []byte, comment string) ([]byte, error) {
	if len(comment) > maxCommentBytes || strings.ContainsAny(comment, "\r\n") {
		return nil, fmt.Errorf("the trusted comment must be one line of at most %d bytes", maxCommentBytes)
	}
	r := minisign.NewReader(bytes.NewReader(module))
	if _, err := r.Read(make([]byte, len(module))); err != nil && len(module) > 0 {
		return nil, err
	}
	return r.SignWithComments(k.key, comment, "signature from minisign secret key "+keyID(k.key.ID())), nil
}
