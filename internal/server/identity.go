package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// identityFile has the UUID by which containerd's clients know the server. It lives as
// long as the data directory.
const identityFile = "server-id"

// serverID returns the UUID in the data directory, and makes one if there is none. The
// directory must be the store's already, and locked.
func serverID(dir string) (string, error) {
	path := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("server ID: %w", err)
	}
	// One that was cut short by a crash is as good as none.
	if id, err := uuid.Parse(strings.TrimSpace(string(text))); err == nil {
		return id.String(), nil
	}
	id := uuid.NewString()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("server ID: %w", err)
	}
	return id, nil
}
