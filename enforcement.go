package plimsoll

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Enforcement is what becomes of what a rule or validator says against a mutation:
// enforce, warn, shadow, or canary:PERCENT%, such as canary:10% or canary:0.5%. Wherever
// an enforcement is set, it is written and means the same.
//
// A canary denies for a share of all containers, and only warns for the others. On which
// side a container is depends on its namespace and ID alone: see [CanaryPlace]. So it is
// always on the same side, and a larger share only adds containers. canary:0% is as warn,
// and canary:100% as enforce.
type Enforcement string

// The enforcements besides canaries.
const (
	// Enforce denies: the default.
	Enforce Enforcement = "enforce"
	// Warn admits, and tells the caller.
	Warn Enforcement = "warn"
	// InShadow has no say: what is found is recorded with the decision, and nothing else.
	InShadow Enforcement = "shadow"
)

const canaryPrefix = "canary:"

// CanaryPlaces is how many places of containers there are: a share is so many of them,
// and one per cent is a hundred.
const CanaryPlaces = 10_000

// CanaryPlace is the place of a container among [CanaryPlaces], from 0. A canary of n per
// cent denies for the places below 100 n.
//
// It is the number that the first eight hexadecimal digits of the SHA-256 of
// NAMESPACE/ID are, modulo 10000, so that anything else can work it out, too.
func CanaryPlace(key Key) int {
	sum := sha256.Sum256([]byte(key.Namespace + "/" + key.ID))
	return int(binary.BigEndian.Uint32(sum[:4]) % CanaryPlaces)
}

// IsCanary reports whether e is a canary.
func (e Enforcement) IsCanary() bool { return strings.HasPrefix(string(e), canaryPrefix) }

// Denies reports whether what is said against a container denies: always, never, or of a
// canary if the container is in its share. What Check refuses denies.
func (e Enforcement) Denies(key Key) bool {
	reach := e.reach()
	return reach == CanaryPlaces || reach > 0 && CanaryPlace(key) < reach
}

// Exceeds reports whether e denies for more containers than other does.
func (e Enforcement) Exceeds(other Enforcement) bool { return e.reach() > other.reach() }

// reach is for how many places e denies.
func (e Enforcement) reach() int {
	switch {
	case e == Warn || e == InShadow:
		return 0
	case e.IsCanary():
		if share, err := e.share(); err == nil {
			return share
		}
	}
	return CanaryPlaces
}

// share is of how many places a canary is.
func (e Enforcement) share() (int, error) {
	digits, isPercent := strings.CutSuffix(strings.TrimPrefix(string(e), canaryPrefix), "%")
	if !isPercent || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("%q has no percentage: write it like %s10%%", string(e), canaryPrefix)
	}
	percent, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("%q has no percentage: write it like %s10%%", string(e), canaryPrefix)
	}
	if percent > 100 {
		return 0, fmt.Errorf("%q is more than 100%%", string(e))
	}
	places := math.Round(percent * CanaryPlaces / 100)
	if math.Abs(places-percent*CanaryPlaces/100) > 1e-6 {
		return 0, fmt.Errorf("%q is finer than 0.01%%", string(e))
	}
	return int(places), nil
}

// Check says what is wrong with e where plain, such as enforce and warn, and canaries are
// allowed; nil if nothing is.
func (e Enforcement) Check(plain ...Enforcement) error {
	if e.IsCanary() {
		_, err := e.share()
		return err
	}
	if slices.Contains(plain, e) {
		return nil
	}
	names := make([]string, len(plain))
	for i, p := range plain {
		names[i] = string(p)
	}
	return fmt.Errorf("%q is none of %s, %sPERCENT%% (such as %s10%%)", string(e), strings.Join(names, ", "), canaryPrefix, canaryPrefix)
}
