package plugins

import (
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/plimsoll-project/plimsoll"
)

// Bounds on what is remembered of each validator: some 3 MiB if all is valid, 30 MiB at the
// very most.
const (
	maxRemembered = 16_384
	// maxRememberedFindings and maxRememberedBytes are of one verdict. Larger ones are
	// those of containers that are not made again.
	maxRememberedFindings = 4
	maxRememberedBytes    = 512
)

// memo remembers what a validator said, by a digest of the document it was given: module
// and settings are always the same, and it sees nothing else. Failures are never
// remembered: they say something about the limits, not about the container. It is safe
// for concurrent use.
type memo struct {
	verdicts *lru.Cache[[sha256.Size]byte, plimsoll.Verdict]
}

func newMemo(size int) (*memo, error) {
	verdicts, err := lru.New[[sha256.Size]byte, plimsoll.Verdict](size)
	return &memo{verdicts}, err
}

// recall returns a verdict that must not be modified.
func (m *memo) recall(key [sha256.Size]byte) (plimsoll.Verdict, bool) { return m.verdicts.Get(key) }

// remember keeps a verdict, if it is small. It must not be modified afterwards.
func (m *memo) remember(key [sha256.Size]byte, v plimsoll.Verdict) {
	if len(v.Violations)+len(v.Warnings) > maxRememberedFindings {
		return
	}
	size := 0
	for _, list := range [][]plimsoll.Violation{v.Violations, v.Warnings} {
		for _, f := range list {
			size += len(f.Message) + len(f.Field) + len(f.Code) + len(f.Fix)
		}
	}
	if size <= maxRememberedBytes {
		m.verdicts.Add(key, v)
	}
}
