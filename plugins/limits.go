package plugins

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/dustin/go-humanize"
)

// Limits bound what one call of a validator may use. Zero fields of a binding
// stand for their defaults.
type Limits struct {
	// Memory is the size of one instance's linear memory in bytes, rounded down
	// to pages of 64 KiB. Default 32 MiB; at most 1 GiB.
	Memory uint64 `json:"memory"`
	// Fuel is the number of wasm instructions, allocation included. It is exact,
	// and the same on every machine. Default 50 million: some 50 ms.
	Fuel uint64 `json:"fuel"`
	// Timeout is the wall clock time, without the wait for an instance. It is the
	// backstop: a call is ended by its fuel, and then fails if it took longer than
	// this. It is generous, because on a busy machine a call may have to wait for a
	// processor many times longer than it runs. Default 1 s, or in proportion if
	// Fuel is more than the default; at most 1 min.
	Timeout time.Duration `json:"timeout"`
	// Output is the size of a verdict in bytes. Default 64 KiB; at most 1 MiB.
	Output uint32 `json:"output"`
	// Concurrency is the number of instances, hence of calls at the same time.
	// Further ones wait. Default GOMAXPROCS.
	Concurrency int32 `json:"concurrency"`
}

const (
	pageSize       = 64 << 10
	defaultMemory  = 32 << 20
	defaultFuel    = 50_000_000
	defaultTimeout = time.Second
	defaultOutput  = 64 << 10
	maxMemory      = 1 << 30
	maxFuel        = 10_000_000_000
	maxTimeout     = time.Minute
	maxOutput      = 1 << 20
	maxConcurrency = 1024
	minFuel        = 1000
	minOutput      = 64
	// initializeFuel is what _initialize may use. It runs once, when the validator
	// is loaded.
	initializeFuel = 500_000_000
	// maxDepth bounds nested calls, in frames of common size.
	maxDepth = 16_384
)

// byteSize is a size as people write it, 32MiB, or a number of bytes.
type byteSize uint64

func (s *byteSize) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return fmt.Errorf("%s is not a size; write it like 32MiB", raw)
	}
	*s = byteSize(n)
	return nil
}

// duration is a duration as people write it, 100ms.
type duration time.Duration

func (d *duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("%s is not a duration; write it like 100ms", raw)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%s is not a duration; write it like 100ms", raw)
	}
	*d = duration(parsed)
	return nil
}

// decodeLimits reads a binding's limits and fills in the defaults.
func decodeLimits(path string, raw []byte) (Limits, []error) {
	var (
		memory, output = byteSize(defaultMemory), byteSize(defaultOutput)
		fuel           = uint64(defaultFuel)
		timeout        duration
		concurrency    = min(maxConcurrency, runtime.GOMAXPROCS(0))
	)
	errs := decodeObject(path, raw, map[string]any{
		"memory": &memory, "fuel": &fuel, "timeout": &timeout, "output": &output, "concurrency": &concurrency,
	})
	if timeout == 0 {
		timeout = duration(defaultTimeout)
		if fuel > defaultFuel && fuel <= maxFuel {
			timeout = min(duration(maxTimeout), duration(float64(defaultTimeout)*float64(fuel)/defaultFuel))
		}
	}
	errs = append(errs,
		within(join(path, "memory"), uint64(memory), pageSize, maxMemory, sized),
		within(join(path, "fuel"), fuel, minFuel, maxFuel, counted),
		within(join(path, "output"), uint64(output), minOutput, maxOutput, sized),
		within(join(path, "timeout"), time.Duration(timeout), time.Millisecond, maxTimeout, time.Duration.String),
		within(join(path, "concurrency"), concurrency, 1, maxConcurrency, counted),
	)
	if err := errors.Join(errs...); err != nil {
		return Limits{}, errs
	}
	return Limits{
		Memory: uint64(memory) / pageSize * pageSize, Fuel: fuel, Timeout: time.Duration(timeout),
		Output: uint32(output), Concurrency: int32(concurrency),
	}, nil
}

func sized(n uint64) string { return humanize.IBytes(n) }

func counted[N ~int | ~uint64](n N) string {
	if uint64(n) > math.MaxInt64 {
		return fmt.Sprint(n)
	}
	return humanize.Comma(int64(n))
}

func within[N ~int | ~int64 | ~uint64](path string, n, least, most N, text func(N) string) error {
	if n < least || n > most {
		return fmt.Errorf("%s%s is not between %s and %s", prefix(path), text(n), text(least), text(most))
	}
	return nil
}
