package server

import (
	"context"

	"github.com/plimsoll-project/plimsoll/internal/bundles"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// PackValidators makes an archive of a validators.yaml and the modules that it binds, to
// be sent to a server. Those in registries are fetched.
func PackValidators(ctx context.Context, path string) ([]byte, error) {
	return plugins.Pack(ctx, plugins.Options{Fetch: fetchModule(bundles.Options{})}, plugins.File(path))
}
