package badgerstore

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/plimsoll-project/plimsoll"
)

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// used is a data directory with one container.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := openIn(t, Options{Dir: dir})
	s.mustCommit(t, creating("a"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What cannot be opened is refused with a message that says what and why.
func TestOpenRefuses(t *testing.T) {
	full := func(string) (int64, error) { return 1 << 20, nil }
	for name, test := range map[string]struct {
		options func(t *testing.T) Options
		says    []string
		is      error
	}{
		"no directory": {
			options: func(*testing.T) Options { return Options{} },
			says:    []string{"data directory is not set"},
		},
		"every wrong option at once": {
			options: func(*testing.T) Options { return Options{MinFreeBytes: -1, QueueLength: -1} },
			says:    []string{"data directory", "free space", "queue"},
		},
		"a directory that cannot be created": {
			options: func(t *testing.T) Options {
				file := filepath.Join(t.TempDir(), "file")
				writeFile(t, file, "")
				return Options{Dir: filepath.Join(file, "data")}
			},
			says: []string{"cannot be created", "file"},
		},
		"a directory that cannot be written": {
			options: func(t *testing.T) Options {
				dir := t.TempDir()
				if err := os.Mkdir(filepath.Join(dir, lockFile), 0o700); err != nil { // works for root too
					t.Fatal(err)
				}
				return Options{Dir: dir}
			},
			says: []string{"not writable"},
		},
		"a directory in use": {
			options: func(t *testing.T) Options {
				dir := t.TempDir()
				openIn(t, Options{Dir: dir})
				return Options{Dir: dir}
			},
			says: []string{"in use by another Plimsoll (process ", "stop it"},
		},
		"somebody else's directory": {
			options: func(t *testing.T) Options {
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, "thesis.tex"), "")
				return Options{Dir: dir}
			},
			says: []string{"not a Plimsoll data directory", "thesis.tex", "empty directory"},
		},
		"somebody else's Badger": {
			options: func(t *testing.T) Options {
				dir := t.TempDir()
				db, err := badger.Open(badger.DefaultOptions(filepath.Join(dir, databaseDir)).WithLogger(nil))
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				return Options{Dir: dir}
			},
			says: []string{"external magic number"},
		},
		"a newer format": {
			options: func(t *testing.T) Options {
				dir := used(t)
				writeFile(t, filepath.Join(dir, formatFile), "plimsoll 3\n")
				return Options{Dir: dir}
			},
			says: []string{"has format 3", "up to 2", "newer Plimsoll"},
		},
		"an older format": {
			options: func(t *testing.T) Options {
				dir := used(t)
				writeFile(t, filepath.Join(dir, formatFile), "plimsoll 1\n")
				return Options{Dir: dir}
			},
			says: []string{"has format 1", "never released", "choose an empty directory"},
		},
		"a format file of something else": {
			options: func(t *testing.T) Options {
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, formatFile), "letter 4\n")
				return Options{Dir: dir}
			},
			says: []string{"not a Plimsoll data directory", `"plimsoll 2"`},
		},
		"a lost manifest": {
			options: func(t *testing.T) Options {
				dir := used(t)
				if err := os.Remove(filepath.Join(dir, databaseDir, badger.ManifestFilename)); err != nil {
					t.Fatal(err)
				}
				return Options{Dir: dir}
			},
			says: []string{"restore"}, is: ErrCorrupted,
		},
		"a lost database": {
			options: func(t *testing.T) Options {
				dir := used(t)
				if err := os.RemoveAll(filepath.Join(dir, databaseDir)); err != nil {
					t.Fatal(err)
				}
				return Options{Dir: dir}
			},
			says: []string{"restore"}, is: ErrCorrupted,
		},
		"a full disk": {
			options: func(t *testing.T) Options { return Options{Dir: t.TempDir(), FreeBytes: full} },
			says:    []string{"1 MiB left", "128 MiB must stay free"}, is: plimsoll.ErrNoSpace,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.options(t)
			s, err := Open(o)
			if err == nil {
				s.Close()
				t.Fatal("Open succeeded")
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
}

// Refusing a directory changes nothing in it.
func TestOpenLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "thesis.tex"), "all of it")
	if _, err := Open(Options{Dir: dir}); err == nil {
		t.Fatal("Open succeeded")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

func TestOpenAccepts(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"a directory that does not exist": func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
		},
		"the root of a new file system": func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"a first start cut short before the format": func(t *testing.T, dir string) {
			s := openIn(t, Options{Dir: dir})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, formatFile), filepath.Join(dir, formatFile+".tmp")); err != nil {
				t.Fatal(err)
			}
		},
		"a first start cut short at once": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, lockFile), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			prepare(t, dir)
			s := openIn(t, Options{Dir: dir})
			s.mustCommit(t, creating("a"))
			if err := s.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A failed Open lets go of the directory.
func TestOpenAfterRefusal(t *testing.T) {
	dir := t.TempDir()
	free := int64(0)
	o := Options{Dir: dir, FreeBytes: func(string) (int64, error) { return free, nil }}
	if _, err := Open(o); !errors.Is(err, plimsoll.ErrNoSpace) {
		t.Fatalf("Open: %v, want ErrNoSpace", err)
	}
	free = math.MaxInt64
	openIn(t, o)
}
