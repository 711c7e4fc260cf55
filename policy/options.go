package policy

import (
	"fmt"
	"time"
)

// The defaults of [Options].
const (
	DefaultTimeout  = time.Second
	DefaultMaxBytes = 16 << 20
)

// Options are the settings of [Load]. The zero value means the defaults.
type Options struct {
	// Timeout bounds one evaluation of all rules, in wall-clock time. It is a
	// backstop: ordinary rules take microseconds, but on a crowded machine a
	// process may not run for longer than that. 0 means [DefaultTimeout].
	Timeout time.Duration
	// MaxBytes bounds the size of all sources together, archives unpacked. 0 means
	// [DefaultMaxBytes].
	MaxBytes int64
}

func (o *Options) ensureDefaults() error {
	if o.Timeout < 0 {
		return fmt.Errorf("policy timeout is %s, but must be positive", o.Timeout)
	}
	if o.MaxBytes < 0 {
		return fmt.Errorf("policy size limit is %d bytes, but must be positive", o.MaxBytes)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return nil
}
