package plimsoll

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestEnforcementCheck(t *testing.T) {
	for text, want := range map[string]string{
		"enforce": "", "warn": "", "canary:0%": "", "canary:10%": "", "canary:0.01%": "", "canary:99.99%": "", "canary:100%": "", "canary:100.00%": "",
		"shadow":         `"shadow" is none of enforce, warn, canary:PERCENT% (such as canary:10%)`,
		"":               `"" is none of enforce, warn`,
		"wran":           `"wran" is none of enforce, warn`,
		"canary":         `"canary" is none of enforce`,
		"Canary:10%":     `none of enforce`,
		"canary:":        `"canary:" has no percentage: write it like canary:10%`,
		"canary:%":       `has no percentage`,
		"canary:10":      `has no percentage`,
		"canary:-1%":     `has no percentage`,
		"canary:+1%":     `has no percentage`,
		"canary:1e1%":    `has no percentage`,
		"canary:NaN%":    `has no percentage`,
		"canary:0x10%":   `has no percentage`,
		"canary: 10%":    `has no percentage`,
		"canary:10%%":    `has no percentage`,
		"canary:1.2.3%":  `has no percentage`,
		"canary:100.01%": `"canary:100.01%" is more than 100%`,
		"canary:101%":    `more than 100%`,
		"canary:" + strings.Repeat("9", 400) + "%": `has no percentage`,
		"canary:0.001%": `finer than 0.01%`,
	} {
		err := Enforcement(text).Check(Enforce, Warn)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Check of %q: %v, want %q", text, err, want)
		}
		// What is refused never lets anything in.
		if err != nil && text != "shadow" && !Enforcement(text).Denies(Key{"default", "web"}) {
			t.Errorf("%q does not deny", text)
		}
	}
}

func TestEnforcementDenies(t *testing.T) {
	for i := range 100 {
		key := Key{"default", fmt.Sprint(i)}
		for e, want := range map[Enforcement]bool{Enforce: true, "canary:100%": true, Warn: false, InShadow: false, "canary:0%": false} {
			if got := e.Denies(key); got != want {
				t.Errorf("%s denies %s: %v", e, key, got)
			}
		}
	}
}

// Others can work it out: `printf default/web | sha256sum | cut -c1-8`.
func TestCanaryPlaceIsAsDocumented(t *testing.T) {
	for _, key := range []Key{{"default", "web"}, {"a", "b"}, {"prod-1", "x.y"}} {
		sum := sha256.Sum256([]byte(key.Namespace + "/" + key.ID))
		n, err := strconv.ParseUint(hex.EncodeToString(sum[:])[:8], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := CanaryPlace(key); got != int(n%10000) {
			t.Errorf("place of %s is %d, want %d", key, got, n%10000)
		}
	}
	// These never change: containers would change sides.
	for key, want := range map[Key]int{{"default", "web"}: 3545, {"default", "worker"}: 3874, {"prod", "web"}: 7772} {
		if got := CanaryPlace(key); got != want {
			t.Errorf("place of %s is %d, want %d", key, got, want)
		}
	}
}

// A larger share only adds containers, and it is as large as it says.
func TestCanaryShares(t *testing.T) {
	const containers = 50_000
	shares := []Enforcement{"canary:0%", "canary:0.5%", "canary:1%", "canary:10%", "canary:33.33%", "canary:50%", "canary:99%", "canary:100%"}
	percents := []float64{0, 0.5, 1, 10, 33.33, 50, 99, 100}
	denied := make([]int, len(shares))
	for i := range containers {
		key := Key{fmt.Sprintf("ns-%d", i%7), fmt.Sprintf("c%d", i)}
		before := false
		for j, share := range shares {
			now := share.Denies(key)
			if before && !now {
				t.Fatalf("%s is denied by %s and not by %s", key, shares[j-1], share)
			}
			if now != share.Denies(key) {
				t.Fatalf("%s changes sides", key)
			}
			if before = now; now {
				denied[j]++
			}
		}
	}
	for j, percent := range percents {
		share := percent / 100
		// Six standard deviations.
		if off := math.Abs(float64(denied[j]) - containers*share); off > 6*math.Sqrt(containers*share*(1-share)) {
			t.Errorf("%s denies %d of %d", shares[j], denied[j], containers)
		}
	}
}
