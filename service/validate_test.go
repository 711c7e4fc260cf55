package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/plimsoll-project/plimsoll"
)

// A mask is refused, or what merging it changes are the fields that it names.
func FuzzMask(f *testing.F) {
	for _, seed := range []string{
		"", "labels", "labels.team", "labels.example.org/a.b", "image,spec", "rootfs,rootfs", "labels.", ".", "labels,labels.team", "id", "runtime",
		"labels.KEY", "image.x", "spec.value", "labels.\x00", "*", "extensions.a",
	} {
		f.Add(seed, "team", "core")
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, paths, key, value string) {
		mask, err := parseMask(strings.Split(paths, ","), maskPathsV1)
		if err != nil {
			if !errors.Is(err, plimsoll.ErrInvalidRequest) || !strings.Contains(err.Error(), "labels.KEY") {
				t.Fatalf("mask %q is refused with %v", paths, err)
			}
			return
		}
		stored := &plimsoll.Container{
			ID: "web", Labels: map[string]string{"team": "data", key: "stored"}, Image: "old", Runtime: plimsoll.Runtime{Name: "runc"},
			Spec: plimsoll.Any{TypeURL: "t", Value: []byte("old")}, SnapshotKey: "old", CreatedAt: now, UpdatedAt: now, Revision: 1,
		}
		want := &plimsoll.Container{
			ID: "other", Labels: map[string]string{key: value}, Image: "new", Runtime: plimsoll.Runtime{Name: "kata"},
			Spec: plimsoll.Any{TypeURL: "t", Value: []byte("new")}, SnapshotKey: "new",
		}
		m := &plimsoll.Mutation{Operation: plimsoll.OperationUpdate, Key: plimsoll.Key{ID: "web"}, Container: want, Mask: mask}
		before := stored.Clone()
		got, err := m.Merge(stored, now.Add(time.Second))
		if err != nil {
			t.Fatalf("mask %q cannot be merged: %v", paths, err)
		}
		if diff := cmp.Diff(before, stored); diff != "" {
			t.Fatalf("merging changed what is stored (-before +after):\n%s", diff)
		}

		expect := stored.Clone()
		expect.UpdatedAt = now.Add(time.Second)
		if slices.Contains(mask, "image") {
			expect.Image = "new"
		}
		if slices.Contains(mask, "spec") {
			expect.Spec.Value = []byte("new")
		}
		if slices.Contains(mask, "rootfs") {
			expect.SnapshotKey = "new"
		}
		if slices.Contains(mask, "labels") {
			expect.Labels = map[string]string{key: value}
		}
		for _, path := range mask {
			if named, ok := strings.CutPrefix(path, "labels."); ok {
				expect.Labels[named] = want.Labels[named]
			}
		}
		for k, v := range expect.Labels {
			if v == "" {
				delete(expect.Labels, k)
			}
		}
		if len(expect.Labels) == 0 {
			expect.Labels = nil
		}
		if diff := cmp.Diff(expect, got); diff != "" {
			t.Fatalf("mask %q (-want +got):\n%s", paths, diff)
		}
	})
}

// A JSON spec that is accepted means the same to every parser: to one that takes the
// first of two names and one that takes the last, to a strict and a lax one.
func FuzzSpecCheck(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, "{\"\xff\":1}", `{"a":"\ud800"}`, `{"a":[1e400,-0,18446744073709551615]}`, ` {} `, `{}{}`,
		`{"Linux":{"maskedPaths":["/proc"]}}`, `{"linux":{"namespaces":[{"Type":"pid"}]}}`, `{"annotations":{"Linux":"x"}}`, `{"ho\u017ftname":"x"}`,
		`{"a":{"b":{"c":[[[]]]}}}`, "\ufeff{}", "{\"a\u2028\":\"\\\"{\"}", "{} \x00", "{\"a\":\"\x00\"}", `{"A":1,"a":2}`, "\u00a0{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if err := checkSpec(plimsoll.Any{TypeURL: ociType, Value: value}); err != nil {
			if !errors.Is(err, plimsoll.ErrInvalidRequest) {
				t.Fatalf("refused with %v, want an invalid request", err)
			}
			return
		}
		if !(plimsoll.Any{TypeURL: ociType, Value: value}).IsJSONObject() {
			t.Fatal("accepted, but rules would see it as base64")
		}
		d := json.NewDecoder(bytes.NewReader(value))
		d.UseNumber()
		var theirs map[string]any
		if err := d.Decode(&theirs); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			t.Fatalf("encoding/json finds something after it: %v", err)
		}
		ours, depth := decode(t, jsontext.NewDecoder(bytes.NewBuffer(value)))
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Fatalf("encoding/json and jsontext differ (-json +jsontext):\n%s", diff)
		}
		// One ignores the case of names, the other does not.
		var insensitive, sensitive specs.Spec
		if json.Unmarshal(value, &insensitive) == nil && jsonv2.Unmarshal(value, &sensitive) == nil {
			if diff := cmp.Diff(insensitive, sensitive, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("programs in Go and others read it differently (-Go +others):\n%s", diff)
			}
		}
		if measured, _ := measureJSON(value); depth > maxSpecDepth || depth != measured {
			t.Fatalf("it is %d deep, was measured as %d, and at most %d is allowed", depth, measured, maxSpecDepth)
		}
	})
}

// decode decodes a value as encoding/json does, numbers as they are written, and
// measures its depth.
func decode(t *testing.T, d *jsontext.Decoder) (value any, depth int) {
	t.Helper()
	token, err := d.ReadToken()
	if err != nil {
		t.Fatal(err)
	}
	switch token.Kind() {
	case '{':
		object := map[string]any{}
		for d.PeekKind() != '}' {
			name, _ := decode(t, d)
			member, inner := decode(t, d)
			if _, twice := object[name.(string)]; twice {
				t.Fatalf("name %q is there twice", name)
			}
			object[name.(string)], depth = member, max(depth, inner)
		}
		value, depth = object, depth+1
		_, err = d.ReadToken()
	case '[':
		array := []any{}
		for d.PeekKind() != ']' {
			element, inner := decode(t, d)
			array, depth = append(array, element), max(depth, inner)
		}
		value, depth = array, depth+1
		_, err = d.ReadToken()
	case '"':
		value = token.String()
	case '0':
		value = json.Number(token.String())
	case 't', 'f':
		value = token.Bool()
	}
	if err != nil {
		t.Fatal(err)
	}
	return value, depth
}

func TestClip(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "lo..."},
		{"ééé", 6, "ééé"},
		{"éééé", 6, "é..."},
		{"a\xffb", 9, "a\uFFFDb"},
		{"a\xffa\xffa\xff", 6, "a..."},
		{"", 3, ""},
	} {
		if got := clip(test.text, test.limit); got != test.want {
			t.Errorf("clip(%q, %d) = %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

func TestExtremeNumbers(t *testing.T) {
	digits := strings.Repeat("9", maxSpecNumber)
	for number, extreme := range map[string]bool{
		"0": false, "-0": false, "18446744073709551615": false, "1.5e-7": false, "1E+400": false, "1e-400": false, digits: false,
		digits + "9": true, "1e401": true, "-1E-401": true, "1e99999999999999999999": true, "0e+0999": true,
	} {
		for _, value := range []string{`{"a":` + number + `}`, `{"a":[1,` + number + `,2],"b":"x"}`, `{"` + number + `":"1e999"}`} {
			_, got := measureJSON([]byte(value))
			if want := extreme && !strings.HasSuffix(value, `"1e999"}`); (got != "") != want {
				t.Errorf("%.40s: found %.40q, want one: %t", value, got, want)
			}
			if err := checkSpec(plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(value)}); (err != nil) != (got != "") {
				t.Errorf("%.40s: %v", value, err)
			}
		}
	}
}
