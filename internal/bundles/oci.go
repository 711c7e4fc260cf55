package bundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// The media types of layers. OPA fetches an archive, conftest pushes files.
const (
	layerArchive  = ocispec.MediaTypeImageLayerGzip
	layerPolicy   = "application/vnd.cncf.openpolicyagent.policy.layer.v1+rego"
	layerData     = "application/vnd.cncf.openpolicyagent.data.layer.v1+json"
	layerManifest = "application/vnd.cncf.openpolicyagent.manifest.layer.v1+json"
	artifactType  = "application/vnd.cncf.openpolicyagent.config.v1+json"
)

const maxManifestBytes = 4 << 20

// ociSource is a bundle in a registry.
type ociSource struct {
	reference registry.Reference
	options   Options
	plain     bool
}

// Name implements [Source].
func (s *ociSource) Name() string { return s.reference.String() }

// Fetch implements [Source]. The version is the digest of the manifest, and what is
// fetched is what that digest means.
func (s *ociSource) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	repository, err := s.repository()
	if err != nil {
		return nil, "", err
	}
	layers, version, err := s.layers(ctx, repository, known)
	if err != nil {
		return nil, version, err
	}
	archive, err := s.fetchLayers(ctx, repository, layers)
	return archive, version, err
}

// layers are those of the manifest, and version is its digest.
func (s *ociSource) layers(ctx context.Context, repository *remote.Repository, known string) (layers []ocispec.Descriptor, version string, err error) {
	descriptor, err := repository.Resolve(ctx, s.reference.Reference)
	switch {
	case err != nil:
		return nil, "", explainOCI(err)
	case descriptor.Digest.String() == known:
		return nil, known, ErrNotModified
	case descriptor.Size > maxManifestBytes:
		return nil, "", fmt.Errorf("the manifest has %d bytes", descriptor.Size)
	case descriptor.MediaType != ocispec.MediaTypeImageManifest:
		return nil, "", fmt.Errorf("it is a %s and no %s", descriptor.MediaType, ocispec.MediaTypeImageManifest)
	}
	text, err := content.FetchAll(ctx, repository, descriptor) // which checks the digest
	if err != nil {
		return nil, "", explainOCI(err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, "", fmt.Errorf("the manifest: %w", err)
	}
	return manifest.Layers, descriptor.Digest.String(), nil
}

// fetchLayers returns the archive, or makes one of the files.
func (s *ociSource) fetchLayers(ctx context.Context, from content.Fetcher, layers []ocispec.Descriptor) ([]byte, error) {
	var archives, files []ocispec.Descriptor
	left := s.options.MaxBytes
	for _, layer := range layers {
		switch layer.MediaType {
		case layerArchive:
			archives = append(archives, layer)
		case layerPolicy, layerData, layerManifest:
			files = append(files, layer)
		default:
			return nil, fmt.Errorf("it has a layer of type %s, which is neither an archive nor policies", layer.MediaType)
		}
		if left -= layer.Size; layer.Size < 0 || left < 0 {
			return nil, fmt.Errorf("the bundle is larger than %d bytes", s.options.MaxBytes)
		}
	}
	switch {
	case len(archives) == 1 && len(files) == 0:
		archive, err := content.FetchAll(ctx, from, archives[0])
		return archive, explainOCI(err)
	case len(archives) == 0 && len(files) > 0:
		return packLayers(ctx, from, files)
	}
	return nil, fmt.Errorf("it has %d archives and %d files as layers: want one archive, or files", len(archives), len(files))
}

// packLayers makes an archive of files, whose titles are their names.
func packLayers(ctx context.Context, from content.Fetcher, layers []ocispec.Descriptor) ([]byte, error) {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for _, layer := range layers {
		name := layer.Annotations[ocispec.AnnotationTitle]
		if name == "" {
			return nil, fmt.Errorf("layer %s has no title that would be its file's name", layer.Digest)
		}
		file, err := content.FetchAll(ctx, from, layer)
		if err != nil {
			return nil, explainOCI(err)
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(file)), Mode: 0o644}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		if _, err := archive.Write(file); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
	}
	err := errors.Join(archive.Close(), zipped.Close())
	return b.Bytes(), err
}

// Push puts an archive into a registry, as OPA fetches it, and returns the digest of its
// manifest: the same for the same archive. reference is as in [Parse], with a tag.
func Push(ctx context.Context, reference string, archive []byte, options Options) (digest string, err error) {
	s, err := parsePush(reference, "policies", options)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	return s.push(ctx, artifactType, []blob{{mediaType: layerArchive, title: "bundle.tar.gz", content: archive}})
}

// blob is a layer that is to be pushed.
type blob struct {
	mediaType, title string
	content          []byte
}

// push pushes layers and tags them. What is the same has the same digest.
func (s *ociSource) push(ctx context.Context, artifactType string, blobs []blob) (digest string, err error) {
	repository, err := s.repository()
	if err != nil {
		return "", err
	}
	var layers []ocispec.Descriptor
	for _, b := range blobs {
		layer, err := oras.PushBytes(ctx, repository, b.mediaType, b.content)
		if err != nil {
			return "", explainOCI(err)
		}
		layer.Annotations = map[string]string{ocispec.AnnotationTitle: b.title}
		layers = append(layers, layer)
	}
	manifest, err := oras.PackManifest(ctx, repository, oras.PackManifestVersion1_1, artifactType, oras.PackManifestOptions{
		Layers: layers,
		// The time would make another digest of the same content.
		ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "1970-01-01T00:00:00Z"},
	})
	if err != nil {
		return "", explainOCI(err)
	}
	if err := repository.Tag(ctx, manifest, s.reference.Reference); err != nil {
		return "", explainOCI(err)
	}
	return manifest.Digest.String(), nil
}

// parsePush understands where something is pushed to.
func parsePush(reference, what string, options Options) (*ociSource, error) {
	rest, ok := strings.CutPrefix(reference, "oci://")
	if !ok {
		return nil, fmt.Errorf("%s: %s are pushed to oci://REGISTRY/REPOSITORY:TAG", reference, what)
	}
	s, err := parseOCI(rest, options.orDefaults())
	if err != nil {
		return nil, err
	}
	if s.reference.ValidateReferenceAsDigest() == nil {
		return nil, fmt.Errorf("%s: a digest cannot be chosen: name a tag", reference)
	}
	return s, nil
}

// repository is a client with the credentials of docker login.
func (s *ociSource) repository() (*remote.Repository, error) {
	repository, err := remote.NewRepository(s.reference.Registry + "/" + s.reference.Repository)
	if err != nil {
		return nil, err
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("credentials of docker: %w", err)
	}
	repository.PlainHTTP = s.plain
	repository.ManifestMediaTypes = []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex}
	repository.Client = &auth.Client{
		Client:     &http.Client{Transport: retry.NewTransport(nil)},
		Cache:      auth.NewCache(),
		Credential: credentials.Credential(store),
		Header:     http.Header{"User-Agent": {"plimsoll"}},
	}
	return repository, nil
}

// explainOCI says what a registry's refusal means.
func explainOCI(err error) error {
	var response *errcode.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errdef.ErrNotFound):
		return errors.New("the registry has no such repository, tag or digest")
	case errors.As(err, &response) && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, response.StatusCode):
		return fmt.Errorf("the registry refuses (%s): log in with docker login", http.StatusText(response.StatusCode))
	}
	return withoutURL(err)
}
