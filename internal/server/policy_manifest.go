package server

import (
	"encoding/json"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// ManifestReader reads a container's manifest, which is the command line's own format:
// the namespace that it names, if any, and the change that makes stored, or if that is
// nil nothing, as the manifest says. The change is nil if nothing is to be changed.
type ManifestReader func(manifest json.RawMessage, stored *plimsollv1.Container) (
	namespace string, change *plimsollv1.ReviewRequest, err error)
