package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
)

func TestServerID(t *testing.T) {
	dir := t.TempDir()
	first, err := serverID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uuid.Parse(first); err != nil {
		t.Error(err)
	}
	if again, err := serverID(dir); err != nil || again != first {
		t.Errorf("first %s, then %s, %v", first, again, err)
	}
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(first[:7]), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := serverID(dir); err != nil || other == first {
		t.Errorf("after a crash: %s, %v", other, err)
	}
	if _, err := serverID(filepath.Join(dir, "none")); err == nil {
		t.Error("no error without a directory")
	}
}
