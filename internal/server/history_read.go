package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
)

// load reads a set again and checks it as if it were new. Only its digest shows whether
// it is what was kept: see loadKept.
func (h *history) load(ctx context.Context, options policy.Options, digest string) (*policy.Set, error) {
	set, err := h.decode(digest)
	if err != nil {
		return nil, err
	}
	return policy.Read(ctx, options, set.Again()...)
}

// decode reads a set and does not check it.
func (h *history) decode(digest string) (*policy.Set, error) {
	if !isDigest(strings.TrimPrefix(digest, "sha256:")) {
		return nil, fmt.Errorf("%q is no digest", digest) // but perhaps a path
	}
	encoded, err := readZipped(h.path(digest))
	if err != nil {
		return nil, err
	}
	return policy.Decode(encoded)
}

// validators reads a set of validators by its fingerprint.
func (h *history) validators(fingerprint string) (*plugins.Set, error) {
	if !isDigest(fingerprint) {
		return nil, fmt.Errorf("%q is no digest", fingerprint)
	}
	encoded, err := readZipped(h.setPath(fingerprint))
	if err != nil {
		return nil, err
	}
	set, err := plugins.Decode(encoded, func(digest string) ([]byte, error) {
		if !isDigest(digest) {
			return nil, fmt.Errorf("%q is no digest", digest)
		}
		return os.ReadFile(h.modulePath(digest))
	})
	if err == nil && set.Fingerprint() != fingerprint {
		err = errors.New("it is not what it was")
	}
	return set, err
}

// module is the latest that judged of a module in a registry, and since when it did.
func (h *history) module(reference, pin string) (plugins.Module, time.Time, error) {
	for _, e := range slices.Backward(h.index.Entries) {
		if e.Set == "" {
			continue
		}
		set, err := h.validators(e.Set)
		if err != nil {
			return plugins.Module{}, time.Time{}, fmt.Errorf("the copy of what judged last cannot be read: %w", err)
		}
		if m, ok := set.Module(reference, pin); ok {
			return m, e.Since, nil
		}
	}
	return plugins.Module{}, time.Time{}, errors.New("there is no copy of it that has judged before")
}

// source is the latest that judged of the source of a name, and since when it did.
func (h *history) source(name string) (policy.Source, time.Time, error) {
	for _, e := range slices.Backward(h.index.Entries) {
		if !slices.ContainsFunc(e.Sources, func(s historySource) bool { return s.Name == name }) {
			continue
		}
		set, err := h.decode(e.Policies)
		if err != nil {
			return policy.Source{}, time.Time{}, fmt.Errorf("the copy of what judged last cannot be read: %w", err)
		}
		for _, s := range set.Again() {
			if s.Name() == name {
				return s, e.Since, nil
			}
		}
	}
	return policy.Source{}, time.Time{}, errors.New("there is no copy of it that has judged before")
}
