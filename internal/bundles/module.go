package bundles

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// The media types of validators. The module is what the CNCF calls a Wasm layer; other
// tools push it under the older name too.
const (
	layerWasm       = "application/wasm"
	layerWasmOld    = "application/vnd.wasm.content.layer.v1+wasm"
	layerSignature  = "application/vnd.plimsoll.validator.signature.v1.minisig"
	moduleArtifact  = "application/vnd.plimsoll.validator.v1"
	signatureSuffix = ".minisig"
)

// Module is a validator's module in a registry, and its signature beside it.
type Module struct {
	Content []byte
	// Signature is nil if there is none.
	Signature []byte
}

// ModuleSource is where a module is in a registry.
type ModuleSource struct{ oci *ociSource }

// ParseModule understands oci://REGISTRY/REPOSITORY:TAG and
// oci://REGISTRY/REPOSITORY@sha256:DIGEST, as [Parse] does.
func ParseModule(reference string, options Options) (*ModuleSource, error) {
	rest, ok := strings.CutPrefix(reference, "oci://")
	if !ok {
		return nil, fmt.Errorf("%q is not oci://REGISTRY/REPOSITORY:TAG", reference)
	}
	s, err := parseOCI(rest, options.orDefaults())
	if err != nil {
		return nil, err
	}
	return &ModuleSource{s}, nil
}

// Name is how the module is shown.
func (s *ModuleSource) Name() string { return s.oci.Name() }

// Fetch returns the module and its version, as [Source] does.
func (s *ModuleSource) Fetch(ctx context.Context, known string) (m Module, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.oci.options.Timeout)
	defer cancel()
	repository, err := s.oci.repository()
	if err != nil {
		return m, "", err
	}
	layers, version, err := s.oci.layers(ctx, repository, known)
	if err != nil {
		return m, version, err
	}
	m, err = s.fetchLayers(ctx, repository, layers)
	return m, version, err
}

func (s *ModuleSource) fetchLayers(ctx context.Context, from content.Fetcher, layers []ocispec.Descriptor) (m Module, err error) {
	left := s.oci.options.MaxBytes
	for _, layer := range layers {
		var to *[]byte
		switch layer.MediaType {
		case layerWasm, layerWasmOld:
			to = &m.Content
		case layerSignature:
			to = &m.Signature
		default:
			return m, fmt.Errorf("it has a layer of type %s, which is neither a module nor its signature", layer.MediaType)
		}
		if *to != nil {
			return m, fmt.Errorf("it has more than one layer of type %s", layer.MediaType)
		}
		if left -= layer.Size; layer.Size < 0 || left < 0 {
			return m, fmt.Errorf("the module is larger than %d bytes", s.oci.options.MaxBytes)
		}
		if *to, err = content.FetchAll(ctx, from, layer); err != nil { // which checks the digest
			return m, explainOCI(err)
		}
	}
	if m.Content == nil {
		return m, errors.New("there is no module in it")
	}
	return m, nil
}

// PushModule puts a module and its signature into a registry, and returns the digest of
// its manifest: the same for the same module and signature. name is that of its file.
// reference is as in [ParseModule], with a tag.
func PushModule(ctx context.Context, reference, name string, m Module, options Options) (digest string, err error) {
	s, err := parsePush(reference, "validators", options)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	blobs := []blob{{mediaType: layerWasm, title: name, content: m.Content}}
	if m.Signature != nil {
		blobs = append(blobs, blob{mediaType: layerSignature, title: name + signatureSuffix, content: m.Signature})
	}
	return s.push(ctx, moduleArtifact, blobs)
}
