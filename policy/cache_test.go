package policy

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"pgregory.net/rapid"

	"github.com/plimsoll-project/plimsoll"
)

// The cache does what OPA's own does, whatever was in it before.
func TestCacheIsLikeOPAs(t *testing.T) {
	// Keys share prefixes, and the hash does not tell the order of terms.
	terms := []*ast.Term{ast.StringTerm("a"), ast.StringTerm("b"), ast.IntNumberTerm(1), ast.NullTerm(), ast.ArrayTerm(ast.StringTerm("a"))}
	cache := &ruleCache{frames: []cacheFrame{newCacheFrame()}}
	rapid.Check(t, func(t *rapid.T) {
		cache.reset()
		want := topdown.NewVirtualCache()
		depth := 0
		scratch := ast.Ref{ast.DefaultRootDocument} // written over, as OPA does
		ref := func() ast.Ref {
			scratch = append(scratch[:1], rapid.SliceOfN(rapid.SampledFrom(terms), 1, 3).Draw(t, "ref")...)
			return scratch
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				key := ref()
				wantValue, wantUndefined := want.Get(key)
				value, undefined := cache.Get(key)
				if value != wantValue || undefined != wantUndefined {
					t.Fatalf("%v: have %v, %v, want %v, %v", key, value, undefined, wantValue, wantUndefined)
				}
				if diff := cmp.Diff(keysOf(want), keysOf(cache)); diff != "" {
					t.Fatalf("keys (-want +have):\n%s", diff)
				}
			},
			"put": func(t *rapid.T) {
				key, value := ref(), ast.IntNumberTerm(rapid.Int().Draw(t, "value"))
				want.Put(key, value)
				cache.Put(key, value)
			},
			"put undefined": func(*rapid.T) {
				key := ref()
				want.Put(key, nil)
				cache.Put(key, nil)
			},
			"push": func(*rapid.T) {
				depth++
				want.Push()
				cache.Push()
			},
			"pop": func(*rapid.T) {
				if depth > 0 {
					depth--
					want.Pop()
					cache.Pop()
				}
			},
		})
	})
}

func keysOf(c topdown.VirtualCache) map[string]bool {
	keys := map[string]bool{}
	for _, key := range c.Keys() {
		keys[key.String()] = true
	}
	return keys
}

// One evaluation leaves nothing behind for the next.
func TestCacheForgets(t *testing.T) {
	p, err := Load(context.Background(), Options{Timeout: time.Minute}, FS("policies", fstest.MapFS{"a.rego": {Data: []byte(`package a

who := input.object.id

upper_of(x) := upper(x)

deny contains concat(" ", [who, upper_of(who), other]) if other := who with input.object.id as "other"
`)}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range strings.Fields("one two one three") {
		in := &plimsoll.Input{
			Operation: plimsoll.OperationCreate, Namespace: "default",
			Object: &plimsoll.Container{ID: id, Spec: plimsoll.Any{Value: []byte("{}")}},
		}
		verdict, err := p.Judge(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if want := id + " " + strings.ToUpper(id) + " other"; len(verdict.Violations) != 1 || verdict.Violations[0].Message != want {
			t.Errorf("have %+v, want %q", verdict.Violations, want)
		}
	}
}

// A large evaluation is not kept.
func TestCacheLetsGoOfMuch(t *testing.T) {
	cache := &ruleCache{frames: []cacheFrame{newCacheFrame()}}
	for i := range maxReused + 1 {
		cache.Put(ast.Ref{ast.DefaultRootDocument, ast.IntNumberTerm(i)}, ast.NullTerm())
	}
	cache.reset()
	if have := cap(cache.frames[0].entries); have != 0 {
		t.Errorf("memory for %d entries is kept", have)
	}
}
