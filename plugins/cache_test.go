package plugins

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCacheThatOthersCanWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  string // empty: it is fine
	}{
		"as it was made":         {func(string) error { return nil }, ""},
		"readable by others":     {func(dir string) error { return os.Chmod(dir, 0o755) }, ""}, //nolint:gosec // that is the test
		"writable by the group":  {func(dir string) error { return os.Chmod(dir, 0o770) }, "can be written to by others"},
		"writable by everyone":   {func(dir string) error { return os.Chmod(dir, 0o707) }, "can be written to by others"},
		"a file writable by all": {func(dir string) error { return writable(filepath.Join(dir, "f")) }, "can be written to by others"},
		"a link":                 {func(dir string) error { return os.Symlink("/tmp", filepath.Join(dir, "l")) }, "neither a file nor a directory"},
		"of another user":        {func(dir string) error { return os.Chown(dir, os.Geteuid()+1, -1) }, "belongs to another user"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			open := func() error {
				cache, err := openCache(dir)
				if err != nil {
					return err
				}
				return cache.Close(t.Context())
			}
			if err := open(); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(dir); os.IsPermission(err) {
				t.Log("only root can give a directory away, so that is not tested")
				return
			} else if err != nil {
				t.Fatal(err)
			}
			err := open()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

func writable(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, 0o666) //nolint:gosec // that is the test
}

// TestCacheIsEmptied fills a cache to its limit, and one byte further.
func TestCacheIsEmptied(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wazero-v0", "module")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		size int64
		kept bool
	}{{maxCacheBytes, true}, {maxCacheBytes + 1, false}} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, tt.size); err != nil {
			t.Fatal(err)
		}
		cache, err := openCache(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := cache.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(file); (err == nil) != tt.kept {
			t.Errorf("with %d bytes the file is kept: %v, want %v", tt.size, err == nil, tt.kept)
		}
	}
}
