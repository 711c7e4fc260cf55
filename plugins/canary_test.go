package plugins

import (
	"errors"
	"fmt"
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

// A canary denies for the containers in its share, and warns of the others and says so;
// also when what was found is remembered.
func TestCanary(t *testing.T) {
	const share = plimsoll.Enforcement("canary:50%")
	for _, reads := range []string{"", "reads"} {
		v := load(t, "violations", "enforcement: "+string(share))
		if reads != "" {
			v = loadReading(t, "violations", []string{"object.spec"}, "enforcement: "+string(share))
		}
		denied := 0
		for i := range 40 {
			in := input(smallSpec)
			in.Object.ID = fmt.Sprint(i)
			verdict, err := v.Judge(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			found, others := verdict.Warnings, verdict.Violations
			if share.Denies(plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID}) {
				found, others = others, found
				denied++
			}
			canaries := 0
			for _, f := range found {
				if f.Enforcement == share {
					canaries++
				}
			}
			if canaries == 0 {
				t.Errorf("%d: %+v has nothing of the canary where it should be", i, verdict)
			}
			for _, f := range others {
				if f.Enforcement != "" {
					t.Errorf("%d: %+v is on the wrong side", i, f)
				}
			}
		}
		if denied == 0 || denied == 40 {
			t.Errorf("%d of 40 are in a share of a half", denied)
		}
	}
}

// A canary that comes to no verdict refuses in its share only.
func TestCanaryThatFails(t *testing.T) {
	const share = plimsoll.Enforcement("canary:50%")
	v := load(t, "trap", "enforcement: "+string(share))
	for i := range 3 { // fewer than would quarantine it
		in := input(smallSpec)
		in.Object.ID = fmt.Sprint(i)
		verdict, err := v.Judge(t.Context(), in)
		if share.Denies(plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID}) {
			if !errors.Is(err, plimsoll.ErrFault) {
				t.Errorf("%d: %+v, %v", i, verdict, err)
			}
			continue
		}
		if err != nil || len(verdict.Violations) != 0 || len(verdict.Warnings) != 1 || verdict.Warnings[0].Enforcement != share {
			t.Errorf("%d: %+v, %v", i, verdict, err)
		}
	}
}

func TestCanaryBounds(t *testing.T) {
	for enforcement, denies := range map[string]bool{"canary:0%": false, "canary:100%": true} {
		v := load(t, "violations", "enforcement: "+enforcement)
		verdict, err := v.Judge(t.Context(), input(smallSpec))
		if err != nil || (len(verdict.Violations) > 0) != denies {
			t.Errorf("%s: %+v, %v", enforcement, verdict, err)
		}
	}
	if _, err := tryLoad(t, "valid", "enforcement: canary:101%"); err == nil {
		t.Error("101% is accepted")
	}
}
