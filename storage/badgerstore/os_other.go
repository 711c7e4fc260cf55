//go:build !linux && !darwin

package badgerstore

import (
	"errors"
	"os"
	"runtime"
)

// tryLock does nothing: Badger has a lock of its own, only with a poorer message.
func tryLock(*os.File) error { return nil }

func freeBytes(string) (int64, error) {
	return 0, errors.New("not known how to ask on " + runtime.GOOS + ": set Options.FreeBytes")
}
