package validators_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// loadReadingAll loads the default binding with a module that is given the whole input
// document, and so is asked each time.
func loadReadingAll(t testing.TB) *plugins.Validators {
	t.Helper()
	return loadAsking(t, "runc-spec", loadDefault(t).List()[0].Settings)
}

// loadAsking loads a validator that is given the whole input document.
func loadAsking(t testing.TB, name string, settings any) *plugins.Validators {
	t.Helper()
	module, err := os.ReadFile(filepath.Join(name, name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := plugins.ReadMetadata(module)
	if err != nil {
		t.Fatal(err)
	}
	meta.Reads = nil
	if module, err = plugins.Annotate(module, meta); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(module)
	config, err := json.Marshal(map[string]any{"validators": []any{map[string]any{
		"module": "module.wasm", "sha256": hex.EncodeToString(digest[:]), "settings": settings,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return load(t, plugins.FS(fstest.MapFS{"validators.yaml": {Data: config}, "module.wasm": {Data: module}}, "validators.yaml"))
}

// The module finds the same in what it declares to read as in all there is, whether it
// is asked or what it said is remembered, and whoever else asks meanwhile.
func TestDeclaresWhatItReads(t *testing.T) {
	declared, all := loadDefault(t), loadReadingAll(t)
	if len(declared.List()[0].Reads) == 0 {
		t.Fatal("it declares nothing")
	}
	files, err := fs.Glob(os.DirFS("."), "runc-spec/testdata/specs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("specs: %v, %v", files, err)
	}
	var inputs []*plimsoll.Input
	for _, file := range files {
		spec := fixture(t, filepath.Base(file[:len(file)-len(".json")]))
		create := input(spec)
		otherType := input(spec)
		otherType.Object.Spec.TypeURL = "example.org/other"
		update := input(spec)
		update.Operation, update.UpdateMask, update.RequestID = plimsoll.OperationUpdate, []string{"labels.team"}, "r"
		update.Object.Labels, update.Object.Image = map[string]string{"team": "core"}, "nginx"
		update.Old = input([]byte("not JSON")).Object
		inputs = append(inputs, create, otherType, update)
	}
	inputs = append(inputs, input([]byte("not JSON")), input(nil))

	want := make([]plimsoll.Verdict, len(inputs))
	for i, in := range inputs {
		want[i] = judge(t, all, in)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				for i, in := range inputs {
					got, err := declared.Judge(context.Background(), in)
					if diff := cmp.Diff(want[i], got); diff != "" || err != nil {
						t.Errorf("verdict of input %d: %v (-whole document +declared):\n%s", i, err, diff)
					}
				}
			}
		})
	}
	wg.Wait()
}
