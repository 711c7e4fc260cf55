package abi

import (
	"errors"
	"fmt"
	"math"
)

// Request is what a validator is called with: an input document and the settings
// of the binding. Neither is parsed or copied until it is written to the guest.
type Request struct {
	document []byte // ends in '}', which is written after the settings
	settings []byte
}

const settingsMember = `,"settings":`

// NewRequest splices settings into document, a JSON object with at least one
// member and no space around it. It keeps both and changes neither. settings is
// JSON of any kind; nil stands for {}.
func NewRequest(document, settings []byte) (Request, error) {
	if n := len(document); n < 2 || document[0] != '{' || document[n-1] != '}' {
		return Request{}, errors.New("input document is not a JSON object")
	}
	if len(document) == 2 {
		return Request{}, errors.New("input document is empty")
	}
	if settings == nil {
		settings = []byte("{}")
	}
	r := Request{document: document, settings: settings}
	if n := len(document) + len(settingsMember) + len(settings); n > math.MaxInt32 {
		return Request{}, fmt.Errorf("input document and settings have %d bytes, which no validator can hold", n)
	}
	return r, nil
}

// NewSettingsRequest is the request that checks settings: the settings alone.
func NewSettingsRequest(settings []byte) Request {
	if settings == nil {
		settings = []byte("{}")
	}
	return Request{settings: settings}
}

// Len is the length of the encoded request in bytes.
func (r Request) Len() uint32 {
	if r.document == nil {
		return uint32(len(r.settings))
	}
	return uint32(len(r.document) + len(settingsMember) + len(r.settings))
}

// ForSettings tells whether it is a request that checks settings.
func (r Request) ForSettings() bool { return r.document == nil }

// Settings are the settings of the binding, as JSON. They must not be modified.
func (r Request) Settings() []byte { return r.settings }

// Encode writes the request to dst, which must be Len bytes long.
func (r Request) Encode(dst []byte) {
	if r.document == nil {
		copy(dst, r.settings)
		return
	}
	last := len(r.document) - 1
	n := copy(dst, r.document[:last])
	n += copy(dst[n:], settingsMember)
	n += copy(dst[n:], r.settings)
	copy(dst[n:], r.document[last:])
}
