package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// A canary is the same whether METADATA or an override makes it one; verdicts that are
// remembered serve containers on both sides.
func TestCanary(t *testing.T) {
	const share = policy.Enforcement("canary:50%")
	rego := func(enforcement string) string {
		return "# METADATA\n# custom: {enforcement: \"" + enforcement + "\"}\npackage p\n\ndeny contains \"no\"\n\nwarn contains \"hm\"\n"
	}
	override := []policy.Override{{Packages: []string{"p"}, Enforcement: share}}
	for name, test := range map[string]struct {
		rego      string
		overrides []policy.Override
	}{
		"metadata":                {rego(string(share)), nil},
		"override":                {rego("enforce"), override},
		"override of a warning":   {rego("warn"), override},
		"override of a canary":    {rego("canary:1%"), override},
		"override of other rules": {rego(string(share)), []policy.Override{{Packages: []string{"q"}, Enforcement: policy.Warn}}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.Load(context.Background(), policy.Options{Enforcement: test.overrides}, files("a.rego", test.rego))
			if err != nil {
				t.Fatal(err)
			}
			denied := 0
			for i := range 40 {
				in := create()
				in.Object.ID = fmt.Sprint(i)
				verdict, err := p.Judge(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				want := [2][]string{nil, {"no", "hm"}}
				if share.Denies(plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID}) {
					want = [2][]string{{"no"}, {"hm"}}
					denied++
				}
				if diff := cmp.Diff(want, [2][]string{messages(verdict.Violations), messages(verdict.Warnings)}); diff != "" {
					t.Errorf("of %d, denied and warned (-want +have):\n%s", i, diff)
				}
				for _, v := range append(verdict.Violations, verdict.Warnings...) {
					if (v.Enforcement == share) != (v.Message == "no") {
						t.Errorf("of %d: %q has enforcement %q", i, v.Message, v.Enforcement)
					}
				}
				doc, err := in.JSON()
				if err != nil {
					t.Fatal(err)
				}
				again, err := p.Explain(context.Background(), in, doc)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(verdict, again.Verdict); diff != "" {
					t.Errorf("of %d, judged and explained (-judged +explained):\n%s", i, diff)
				}
			}
			if denied == 0 || denied == 40 {
				t.Errorf("%d of 40 are in a share of a half", denied)
			}
		})
	}
}

func TestCanaryBounds(t *testing.T) {
	for enforcement, denies := range map[string]bool{"canary:0%": false, "canary:100%": true} {
		p, err := policy.Load(context.Background(), policy.Options{},
			files("a.rego", "# METADATA\n# custom: {enforcement: "+enforcement+"}\npackage p\n\ndeny contains \"no\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := p.Judge(context.Background(), create()); err != nil || (len(verdict.Violations) == 1) != denies {
			t.Errorf("%s: %+v, %v", enforcement, verdict, err)
		}
		if got := p.Packages()[0].Enforcement; string(got) != enforcement {
			t.Errorf("listed as %s, want %s", got, enforcement)
		}
	}
	for _, enforcement := range []string{"canary:101%", "canary", "{canary: 10%}"} {
		_, err := policy.Load(context.Background(), policy.Options{},
			files("a.rego", "# METADATA\n# custom: {enforcement: "+enforcement+"}\npackage p\n\ndeny contains \"no\"\n"))
		if err == nil || !strings.Contains(err.Error(), "custom.enforcement is ") || !strings.Contains(err.Error(), "canary:10%") {
			t.Errorf("%s: %v", enforcement, err)
		}
	}
}
