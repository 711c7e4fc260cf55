package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// Trial is one validator on its own, for those who write and measure it. It is loaded
// and called as a server would, but it is never spared a call by what it said before. It
// is for one goroutine at a time.
type Trial struct {
	validators *Validators
	binding    *binding
	usage      Usage
}

// Usage is what one call of a validator took.
type Usage struct {
	// Fuel is the number of instructions, the same on every machine.
	Fuel uint64 `json:"fuel"`
	// Memory is the size in bytes that the linear memory had grown to.
	Memory uint64 `json:"memory"`
	// Time is the wall clock time, instantiation not included.
	Time time.Duration `json:"time_ns"`
}

// trialConfig is the member of a validators.yaml that binds the module of a trial.
type trialConfig struct {
	Name     string          `json:"name,omitempty"`
	Module   string          `json:"module"`
	SHA256   string          `json:"sha256"`
	Settings json.RawMessage `json:"settings,omitempty"`
	Limits   json.RawMessage `json:"limits,omitempty"`
}

// trialFile is the name of the configuration that a trial is loaded from.
const trialFile = "trial"

// Open loads a module, which errors call name, with settings and limits as those of a
// binding; nil stands for the defaults. The metadata say what it judges. The caller
// closes the trial.
func Open(ctx context.Context, opts Options, name string, module []byte, settings, limits json.RawMessage) (*Trial, error) {
	sum := sha256.Sum256(module)
	config := trialConfig{Module: "module.wasm", SHA256: hex.EncodeToString(sum[:]), Settings: settings, Limits: limits}
	if _, err := ReadMetadata(module); errors.Is(err, ErrNoMetadata) {
		config.Name = "validator"
	}
	text, err := json.Marshal(map[string]any{"validators": []trialConfig{config}})
	if err != nil {
		return nil, err
	}
	v, err := Load(ctx, opts, FS(memoryFS{trialFile: text, config.Module: module}, trialFile))
	if err != nil {
		return nil, plainTrialError(err, name)
	}
	t := &Trial{validators: v, binding: v.bindings[0]}
	t.binding.observe = func(u Usage) { t.usage = u }
	return t, nil
}

// plainTrialError takes out of an error the places in a configuration that nobody wrote.
func plainTrialError(err error, name string) error {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		line, mine := strings.CutPrefix(line, trialFile+": validators[0]")
		line = strings.TrimPrefix(strings.TrimPrefix(line, ": "), ".")
		if line = strings.TrimPrefix(line, "module.wasm: "); mine {
			lines[i] = name + ": " + line
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Info describes the validator.
func (t *Trial) Info() Info { return t.binding.info }

// Covers tells whether the validator judges this mutation at all.
func (t *Trial) Covers(in *plimsoll.Input) bool { return t.binding.info.Match.covers(in) }

// Judge has the validator judge a mutation, whether it covers it or not. What that took is
// known also if there is an error, which is one of [plimsoll.Judge].
func (t *Trial) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, Usage, error) {
	t.usage = Usage{}
	b := t.binding
	if err := t.ready(ctx); err != nil {
		return plimsoll.Verdict{}, t.usage, b.failure(err)
	}
	doc, err := b.document(in)
	if err != nil {
		return plimsoll.Verdict{}, t.usage, err
	}
	began := time.Now()
	verdict, err := b.ask(ctx, doc)
	t.usage.Time = time.Since(began)
	return verdict, t.usage, err
}

// ready makes an instance, unless there is one.
func (t *Trial) ready(ctx context.Context) error {
	if t.binding.pool.Stat().TotalResources() > 0 {
		return nil
	}
	return t.binding.pool.CreateResource(ctx)
}

// Instantiate makes an instance in the state that calls start from, and returns how long
// that took.
func (t *Trial) Instantiate(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	i, err := t.binding.program.clone(ctx, t.binding.origin)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, i.close(ctx)
}

// Close frees everything.
func (t *Trial) Close() error { return t.validators.Close() }

// memoryFS is a file system of files in memory, by their names.
type memoryFS map[string][]byte

// Open implements [fs.FS].
func (m memoryFS) Open(name string) (fs.File, error) {
	content, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memoryFile{bytes.NewReader(content)}, nil
}

// memoryFile is a file that is read from its beginning to its end.
type memoryFile struct{ io.Reader }

// Stat implements [fs.File].
func (memoryFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// Close implements [fs.File].
func (memoryFile) Close() error { return nil }
