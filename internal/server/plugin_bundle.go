package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// Module is a validator's module that a tool signs, verifies or carries.
type Module struct {
	// Path is that of a .wasm file, with its signature beside it, or an oci:// reference.
	Path string
	// Keys are files with the public keys that its signature is verified with; none if it
	// is not looked at.
	Keys []string
	// PlainHTTP allows plain HTTP beyond loopback.
	PlainHTTP bool
}

// ModuleInfo is what is known of a module.
type ModuleInfo struct {
	// Name is its file's, or its reference.
	Name string
	// SHA256 is what a binding pins.
	SHA256 string
	// Signed says that there is a signature. If it was verified, KeyID and Comment are its
	// key and its trusted comment.
	Signed         bool
	KeyID, Comment string
}

// read reads the module as a server would, with its signature if there are keys.
func (m Module) read(ctx context.Context) (plugins.Module, ModuleInfo, error) {
	module, name, err := m.open(ctx)
	if err != nil {
		return module, ModuleInfo{}, err
	}
	sum := sha256.Sum256(module.Content)
	info := ModuleInfo{Name: name, SHA256: hex.EncodeToString(sum[:]), Signed: module.Signature != nil}
	if _, err := plugins.ReadMetadata(module.Content); err != nil && !errors.Is(err, plugins.ErrNoMetadata) {
		return module, info, fmt.Errorf("%s: %w", name, err)
	}
	if len(m.Keys) == 0 {
		return module, info, nil
	}
	verifier, err := Config{ValidatorKeys: m.Keys}.moduleVerifier()
	if err != nil {
		return module, info, err
	}
	signature, err := verifier.Verify(module.Content, module.Signature)
	if err != nil {
		return module, info, fmt.Errorf("%s: %w", name, err)
	}
	info.KeyID, info.Comment = signature.KeyID, signature.Comment
	return module, info, nil
}

// open reads or fetches the module.
func (m Module) open(ctx context.Context) (module plugins.Module, name string, err error) {
	if bundles.IsRemote(m.Path) {
		module, err = fetchModule(bundles.Options{PlainHTTP: m.PlainHTTP})(ctx, m.Path, "")
		return module, strings.TrimPrefix(m.Path, "oci://"), err
	}
	if module.Content, err = os.ReadFile(m.Path); err != nil {
		return module, "", err
	}
	module.Signature, err = os.ReadFile(m.Path + plugins.SignatureExtension)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // there need not be one
	}
	return module, m.Path, err
}

// Verify returns an error unless the module is signed with one of the keys.
func (m Module) Verify(ctx context.Context) (ModuleInfo, error) {
	if len(m.Keys) == 0 {
		return ModuleInfo{}, errors.New("there is no key to verify with")
	}
	_, info, err := m.read(ctx)
	return info, err
}

// Push puts the module into a registry, with its signature if it has one, and returns the
// digest of what is there. What no server would load is refused.
func (m Module) Push(ctx context.Context, to string) (digest string, info ModuleInfo, err error) {
	module, info, err := m.read(ctx)
	if err != nil {
		return "", info, err
	}
	found, err := inspect(ctx, module.Content)
	if err == nil && len(found.Problems) > 0 {
		err = fmt.Errorf("%s: no server would load it: %s", info.Name, strings.Join(found.Problems, "\n"))
	}
	if err == nil {
		err = compilesAsModule(ctx, info.Name, module.Content)
	}
	if err != nil {
		return "", info, err
	}
	name := "module.wasm"
	if !bundles.IsRemote(m.Path) {
		name = filepath.Base(m.Path)
	}
	digest, err = bundles.PushModule(ctx, to, name, bundles.Module(module), bundles.Options{PlainHTTP: m.PlainHTTP})
	return digest, info, err
}

// compilesAsModule returns an error unless the module can be compiled, and prepared for calls.
// That it refuses settings of {} is no fault of it.
func compilesAsModule(ctx context.Context, name string, content []byte) error {
	if err := plugins.CheckModule(ctx, content, toolOptions()); err != nil {
		return fmt.Errorf("%s: no server would load it: %w", name, err)
	}
	return nil
}

// Pull fetches the module and writes it to a file, and its signature beside that. A
// signature that is there of another module is removed.
func (m Module) Pull(ctx context.Context, file string) (ModuleInfo, error) {
	module, info, err := m.read(ctx)
	if err != nil {
		return info, err
	}
	beside := file + plugins.SignatureExtension
	if module.Signature == nil {
		err = os.Remove(beside)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		err = writeDurably(beside, module.Signature, bundleMode)
	}
	if err != nil {
		return info, err
	}
	return info, writeDurably(file, module.Content, bundleMode)
}

// ModuleSigning says how a module is signed.
type ModuleSigning struct {
	// Key is a file with the secret key, and Password one with the password of a key that
	// is encrypted.
	Key, Password string
	// Comment is the trusted comment; empty for when it was signed and what it is called,
	// as minisign has it.
	Comment string
}

// Sign signs the module and writes the signature beside it, or to output if that is not
// empty. It returns what was written.
func (m Module) Sign(ctx context.Context, s ModuleSigning, output string) (written string, err error) {
	if bundles.IsRemote(m.Path) {
		return "", errors.New("a module in a registry cannot be signed there: pull, sign and push it")
	}
	key, err := s.key()
	if err != nil {
		return "", err
	}
	m.Keys = nil
	module, _, err := m.read(ctx)
	if err != nil {
		return "", err
	}
	if s.Comment == "" {
		s.Comment = fmt.Sprintf("timestamp:%d\tfile:%s\thashed", time.Now().Unix(), filepath.Base(m.Path))
	}
	signature, err := key.Sign(module.Content, s.Comment)
	if err != nil {
		return "", err
	}
	if output == "" {
		output = m.Path + plugins.SignatureExtension
	}
	return output, writeDurably(output, signature, bundleMode)
}

// key reads the secret key.
func (s ModuleSigning) key() (*plugins.SigningKey, error) {
	text, err := os.ReadFile(s.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	var password []byte
	if s.Password != "" {
		if password, err = os.ReadFile(s.Password); err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
		password = bytes.TrimRight(password, "\r\n") // as editors and echo leave it
	}
	key, err := plugins.NewSigningKey(text, password)
	if errors.Is(err, plugins.ErrPasswordNeeded) {
		return nil, fmt.Errorf("key %s: it is encrypted: give a file with its password with --password-file", s.Key)
	}
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", s.Key, err)
	}
	return key, nil
}
