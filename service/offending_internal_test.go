package service

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

func TestShownValue(t *testing.T) {
	container := &plimsoll.Container{
		ID: "web", Image: "here/nginx", Snapshotter: "overlayfs", SnapshotKey: "web-1",
		Labels:  map[string]string{"team": "core", "a.b/c": "x", "api-key": "CANARY", "long": strings.Repeat("é", 100)},
		Runtime: plimsoll.Runtime{Name: "runc"},
		Spec: plimsoll.Any{TypeURL: "spec", Value: []byte(`{
			"mounts": [{"destination": "/a"}, {"destination": "b", "options": ["ro"]}],
			"process": {"env": ["A=CANARY", "B="], "args": ["x", "--password", "CANARY"], "cwd": 7, "terminal": false},
			"annotations": {"a.b/c": "1", "a": "2", "x.token": "CANARY", "k[0]": "3", "": "4"}, "none": null}`)},
		Extensions: map[string]plimsoll.Any{"e": {TypeURL: "t", Value: []byte(`{"f": "CANARY", "n": 1}`)}, "raw": {TypeURL: "t", Value: []byte("CANARY")}},
	}
	for field, want := range map[string]string{
		"":                                 "",
		"id":                               `"web"`,
		"image":                            `"here/nginx"`,
		"labels.team":                      `"core"`,
		"labels.a.b/c":                     `"x"`,
		`labels["a.b/c"]`:                  `"x"`,
		"labels.api-key":                   `"***"`,
		`labels["api-key"]`:                `"***"`,
		"labels.none":                      "",
		"labels.long":                      `"` + strings.Repeat("é", 58) + "…",
		"snapshotter":                      `"overlayfs"`,
		"rootfs":                           `"web-1"`,
		"runtime":                          `"runc"`,
		"spec.mounts[1].destination":       `"b"`,
		"spec.mounts[1]":                   `{"destination":"b","options":["ro"]}`,
		"spec.mounts[1].options[0]":        `"ro"`,
		"spec.mounts[2]":                   "",
		"spec.mounts[-1]":                  "",
		"spec.mounts[x]":                   "",
		"spec.mounts[":                     "",
		`spec.annotations["a.b/c`:          "",
		"spec.mounts.destination":          "",
		"spec.process.cwd":                 "7",
		"spec.process.terminal":            "false",
		"spec.none":                        "null",
		"spec.process.cwd.deeper":          "",
		"spec.process.env[0]":              `"A=***"`,
		"spec.process.env":                 `["A=***","B="]`,
		"spec.process.args[2]":             `"***"`,
		"spec.process.args":                `["x","--password","***"]`,
		`spec.annotations["a.b/c"]`:        `"1"`,
		"spec.annotations.a.b/c":           `"1"`,
		"spec.annotations.a":               `"2"`,
		`spec.annotations["x.token"]`:      `"***"`,
		"spec.annotations.x.token":         `"***"`,
		`spec.annotations["k[0]"]`:         `"3"`,
		"spec.annotations.k[0]":            `"3"`,
		`spec.annotations[""]`:             `"4"`,
		"extensions.e.f":                   `"***"`,
		"extensions.e":                     `{"f":"***","n":1}`,
		"extensions.raw":                   `{"base64":"***"}`,
		"nonsense":                         "",
		"a sentence about. nothing [much]": "",
	} {
		t.Run(field, func(t *testing.T) {
			r := &result{input: &plimsoll.Input{Object: container}}
			if diff := cmp.Diff(want, r.shownValue(field)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Rules write fields as they like.
func FuzzLookUp(f *testing.F) {
	f.Add("spec.mounts[0].destination")
	f.Add(`a["b.c"][1].d.e`)
	f.Fuzz(func(t *testing.T, path string) {
		value, ok := (&node{json: []byte(`{"spec":{"mounts":[{"destination":"/"}]},"a":{"b.c":[0,{"d.e":1}]}}`)}).lookUp(path)
		if ok != (len(value) > 0) && path != "" {
			t.Errorf("%q: %s, %v", path, value, ok)
		}
	})
}

func TestDecisionKeysSortNewestFirst(t *testing.T) {
	ids := []string{"00000000000000000000000000", "01JDF3Q8ZK4M2N6P8R0S2T4V6X", "01JDF3Q8ZK4M2N6P8R0S2T4V6Y", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"}
	for i := range ids[1:] {
		if decisionKey("n", ids[i]).Key <= decisionKey("n", ids[i+1]).Key {
			t.Errorf("%s does not come after %s", ids[i], ids[i+1])
		}
	}
	if key := decisionKey("n", decisionKey("", ids[1]).Key[1:]).Key; key != "n/"+ids[1] {
		t.Errorf("the reverse of a reverse is %s", key)
	}
}

// Many values out of a large document cost about as much as one.
func BenchmarkShownValues(b *testing.B) {
	var spec strings.Builder
	spec.WriteString(`{"annotations": {"": ""`)
	for i := range 50_000 {
		fmt.Fprintf(&spec, `, "a%d": "x"`, i)
	}
	spec.WriteString(`}, "mounts": [{}`)
	for range maxValues {
		spec.WriteString(`, {"source": "/run/docker.sock"}`)
	}
	spec.WriteString(`]}`)
	for _, n := range []int{1, maxValues} {
		b.Run(fmt.Sprintf("values=%d", n), func(b *testing.B) {
			for b.Loop() {
				r := &result{input: &plimsoll.Input{Object: &plimsoll.Container{Spec: plimsoll.Any{TypeURL: "spec", Value: []byte(spec.String())}}}}
				for i := range n {
					if r.shownValue(fmt.Sprintf("spec.mounts[%d].source", i+1)) == "" {
						b.Fatal("no value")
					}
				}
			}
		})
	}
}
