package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/policy"
)

// Bundle is a bundle of policies that a tool works on.
type Bundle struct {
	// Path is that of a directory or a .tar.gz archive, or an oci://, https:// or
	// http:// URL.
	Path string
	// Keys are files with the public keys that its signature is verified with, for
	// Scope; none if it is not looked at.
	Keys  []string
	Scope string
	// PlainHTTP allows plain HTTP beyond loopback.
	PlainHTTP bool
}

// BundleInfo is what is known of a bundle.
type BundleInfo = policy.SourceInfo

// source fetches the bundle, if it is elsewhere.
func (b Bundle) source(ctx context.Context) (policy.Source, error) {
	if !bundles.IsRemote(b.Path) {
		return policy.Path(b.Path), nil
	}
	from, err := bundles.Parse(b.Path, bundles.Options{PlainHTTP: b.PlainHTTP})
	if err != nil {
		return policy.Source{}, err
	}
	content, _, err := from.Fetch(ctx, "")
	if err != nil {
		return policy.Source{}, fmt.Errorf("fetching %s: %w", from.Name(), err)
	}
	return policy.Archive(from.Name(), content), nil
}

// read reads the bundle as a server would, with its signature if there are keys.
func (b Bundle) read(ctx context.Context) (policy.Source, BundleInfo, error) {
	source, err := b.source(ctx)
	if err != nil {
		return source, BundleInfo{}, err
	}
	verifier, err := Config{PolicyKeys: b.Keys, PolicyScope: b.Scope}.verifier()
	if err != nil {
		return source, BundleInfo{}, err
	}
	set, err := policy.Read(ctx, policy.Options{Verifier: verifier}, source)
	if err != nil {
		return source, BundleInfo{}, err
	}
	return source, set.Info()[0], nil
}

// Verify returns an error unless the bundle is signed with one of the keys.
func (b Bundle) Verify(ctx context.Context) (BundleInfo, error) {
	if len(b.Keys) == 0 {
		return BundleInfo{}, errors.New("there is no key to verify with")
	}
	_, info, err := b.read(ctx)
	return info, err
}

// Push checks the bundle as a server would, signature included if there are keys, puts
// it into a registry and returns the digest of what is there.
func (b Bundle) Push(ctx context.Context, grants []string, to string) (digest string, err error) {
	source, _, err := b.read(ctx)
	if err != nil {
		return "", err
	}
	options, err := Config{PolicyGrants: grants}.policyOptions()
	if err != nil {
		return "", err
	}
	if _, err := policy.Load(ctx, options, source); err != nil {
		return "", err
	}
	archive, err := policy.Pack(policy.Options{}, source)
	if err != nil {
		return "", err
	}
	return bundles.Push(ctx, to, archive, bundles.Options{PlainHTTP: b.PlainHTTP})
}

// Archive fetches the bundle and returns it as an archive. Signatures are not looked at.
func (b Bundle) Archive(ctx context.Context) ([]byte, error) {
	source, err := b.source(ctx)
	if err != nil {
		return nil, err
	}
	return policy.Pack(policy.Options{}, source)
}

// Pull fetches the bundle, reads it as a server would, and writes it to a file.
func (b Bundle) Pull(ctx context.Context, file string) (BundleInfo, error) {
	source, info, err := b.read(ctx)
	if err != nil {
		return info, err
	}
	archive, err := policy.Pack(policy.Options{}, source)
	if err != nil {
		return info, err
	}
	return info, writeDurably(file, archive, bundleMode)
}

// bundleMode is that of files with policies or signatures: they are no secret, and the
// server may be another user.
const bundleMode = 0o644

// Signing says how policies are signed.
type Signing struct {
	// Key is a file with the private key, in PEM. Algorithm is empty for the usual one.
	Key, Algorithm string
	Scope, KeyID   string
}

// Sign signs the bundle: a directory by a file .signatures.json in it, an archive by
// replacing it with a signed one, or by writing that to output if it is not empty. It
// returns what was written.
func (b Bundle) Sign(s Signing, output string) (written string, err error) {
	text, err := os.ReadFile(s.Key)
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	key, err := policy.NewSigningKey(text, s.Algorithm)
	if err != nil {
		return "", fmt.Errorf("key %s: %w", s.Key, err)
	}
	info, err := os.Stat(b.Path)
	if err != nil {
		return "", err
	}
	source := policy.Path(b.Path)
	if info.IsDir() && !strings.HasSuffix(output, ".tar.gz") {
		if output != "" {
			return "", errors.New("the signature of a directory is written into it; to have an archive, name it .tar.gz")
		}
		signatures, err := policy.Sign(policy.Options{}, source, key, s.Scope, s.KeyID)
		if err != nil {
			return "", err
		}
		output = filepath.Join(b.Path, ".signatures.json")
		return output, writeDurably(output, append(signatures, '\n'), bundleMode)
	}
	archive, err := policy.SignArchive(policy.Options{}, source, key, s.Scope, s.KeyID)
	if err != nil {
		return "", err
	}
	if output == "" {
		output = b.Path
	}
	return output, writeDurably(output, archive, bundleMode)
}
