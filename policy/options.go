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
	// Grants are the namespaces whose containers a package may ask for besides that of
	// the mutation, by the package's name (without the leading data);
	// [plimsoll.AllNamespaces] stands for all. A package that asks for more is refused.
	Grants map[string][]string
	// Enforcement overrides that of METADATA, by package and namespace: the first that
	// covers both counts.
	Enforcement []Override
	// Verifier, if set, must accept the signature of every source that is not part of
	// the program. If not, signatures are not looked at.
	Verifier *Verifier
	// CheckFilter, if set, says what is wrong with a filter in a rule's text, so that
	// the load fails instead of the rule.
	CheckFilter func(filter string) error
}

func (o *Options) ensureDefaults() error {
	if o.Timeout < 0 {
		return fmt.Errorf("policy timeout is %s, but must be positive", o.Timeout)
	}
	if o.MaxBytes < 0 {
		return fmt.Errorf("policy size limit is %d bytes, but must be positive", o.MaxBytes)
	}
	for i, override := range o.Enforcement {
		if err := override.Validate(); err != nil {
			return fmt.Errorf("enforcement[%d]: %w", i, err)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return nil
}
