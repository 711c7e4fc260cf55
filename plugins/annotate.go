package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// AnnotateFile writes the module in file from, with the metadata in the JSON file meta,
// to file to, which may be the same, and returns the digest to pin. The same input gives
// the same output, byte for byte.
func AnnotateFile(from, meta, to string) (digest string, err error) {
	module, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(meta)
	if err != nil {
		return "", err
	}
	metadata, err := ParseMetadata(raw)
	if err != nil {
		return "", fmt.Errorf("%s: %w", meta, err)
	}
	annotated, err := Annotate(module, metadata)
	if err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	sum := sha256.Sum256(annotated)
	return hex.EncodeToString(sum[:]), os.WriteFile(to, annotated, 0o644) //nolint:gosec // a module is no secret, and the server may be another user
}
