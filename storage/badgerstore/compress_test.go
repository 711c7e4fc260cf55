package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
)

// noise is bytes that cannot be compressed.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// Whoever changes the dictionary makes every database unreadable.
func TestDictionaryStays(t *testing.T) {
	const want = "7fee243867867d53a65db6343baea0feab54e28d3fedaf24517fbdf9ccd3f440"
	if got := fmt.Sprintf("%x", sha256.Sum256(dictionary1)); got != want {
		t.Errorf("dictionary 1 has changed: its digest is %s", got)
	}
}

func TestCompress(t *testing.T) {
	specs, err := filepath.Glob("../../examples/validators/runc-spec/testdata/specs/*.json")
	if err != nil || len(specs) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	inputs := map[string][]byte{"nothing": nil, "little": []byte("{}"), "noise": noise(5000), "zeros": make([]byte, 1<<20)}
	for _, path := range specs {
		spec, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inputs[filepath.Base(path)] = spec
	}
	for name, plain := range inputs {
		stored, compression := compress(plain)
		if len(stored) > len(plain) {
			t.Errorf("%s: %d bytes became %d", name, len(plain), len(stored))
		}
		got, err := decompress(stored, compression, uint64(len(plain)))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %v, or other bytes", name, err)
		}
		t.Logf("%s: %d bytes stored as %d", name, len(plain), len(stored))
	}
}

func TestDecompressDamaged(t *testing.T) {
	plain := bytes.Repeat([]byte(`{"ociVersion": "1.3.0"}`), 100)
	stored, compression := compress(plain)
	for name, err := range map[string]error{
		"another size":        second(decompress(stored, compression, uint64(len(plain)-1))),
		"an enormous size":    second(decompress(stored, compression, 1<<50)),
		"cut short":           second(decompress(stored[:len(stored)/2], compression, uint64(len(plain)))),
		"unknown compression": second(decompress(stored, 99, uint64(len(plain)))),
		"not compressed":      second(decompress(stored, storagev1.Compression_COMPRESSION_UNSPECIFIED, uint64(len(plain)))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func BenchmarkCompress(b *testing.B) {
	spec, err := os.ReadFile("../../examples/validators/runc-spec/testdata/specs/linux-default.json")
	if err != nil {
		b.Fatal(err)
	}
	stored, compression := compress(spec)
	b.Run("compress", func(b *testing.B) {
		b.ReportMetric(float64(len(spec)), "plain-B")
		b.ReportMetric(float64(len(stored)), "stored-B")
		for b.Loop() {
			compress(spec)
		}
	})
	b.Run("decompress", func(b *testing.B) {
		for b.Loop() {
			if _, err := decompress(stored, compression, uint64(len(spec))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
