package abi

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPack(t *testing.T) {
	for _, tt := range []struct {
		name        string
		ptr, length uint32
		want        uint64
	}{
		{"nothing", 0, 0, 0},
		{"both", 1, 2, 1<<32 | 2},
		{"largest", math.MaxUint32, math.MaxUint32, math.MaxUint64},
		{"no ptr", 0, 5, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Pack(tt.ptr, tt.length); got != tt.want {
				t.Errorf("Pack is %#x, want %#x", got, tt.want)
			}
			if ptr, length := Unpack(tt.want); ptr != tt.ptr || length != tt.length {
				t.Errorf("Unpack is %d, %d, want %d, %d", ptr, length, tt.ptr, tt.length)
			}
		})
	}
}

func TestOutput(t *testing.T) {
	memory := []byte("0123456789")
	for _, tt := range []struct {
		name        string
		ptr, length uint32
		limit       uint32
		want        string
		wantErr     string
	}{
		{"inside", 2, 3, 10, "234", ""},
		{"all", 0, 10, 10, "0123456789", ""},
		{"at the end", 9, 1, 10, "9", ""},
		{"zero", 0, 0, 10, "", "returned 0"},
		{"empty", 4, 0, 10, "", "empty verdict"},
		{"one past the end", 9, 2, 10, "", "outside its memory"},
		{"far", 4000, 1, 10, "", "outside its memory"},
		{"sum overflows 32 bits", math.MaxUint32, 2, 10, "", "outside its memory"},
		{"largest", math.MaxUint32, math.MaxUint32, math.MaxUint32, "", "outside its memory"},
		{"over the limit", 0, 6, 5, "", "more than the limit of 5"},
		{"at the limit", 0, 5, 5, "01234", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Output(memory, Pack(tt.ptr, tt.length), tt.limit)
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("error is %v, want %q", err, tt.wantErr)
			}
			if string(got) != tt.want {
				t.Errorf("output is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		name, document, settings string
		want                     string
	}{
		{"settings", `{"a":1}`, `{"b":[2]}`, `{"a":1,"settings":{"b":[2]}}`},
		{"no settings", `{"a":1}`, "", `{"a":1,"settings":{}}`},
		{"settings of another type", `{"a":1}`, `[1]`, `{"a":1,"settings":[1]}`},
		{"spec is not touched", `{"spec":{ "x" : 1.0,"x":2}}`, `{}`, `{"spec":{ "x" : 1.0,"x":2},"settings":{}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var settings []byte
			if tt.settings != "" {
				settings = []byte(tt.settings)
			}
			r, err := NewRequest([]byte(tt.document), settings)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]byte, r.Len())
			r.Encode(dst)
			if diff := cmp.Diff(tt.want, string(dst)); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewRequestRefuses(t *testing.T) {
	for _, document := range []string{"", "{", "}", "{}", "[1]", `{"a":1} `, `null`} {
		t.Run(document, func(t *testing.T) {
			if _, err := NewRequest([]byte(document), nil); err == nil {
				t.Errorf("document %q is taken", document)
			}
		})
	}
}

func TestSettingsRequest(t *testing.T) {
	for settings, want := range map[string]string{"": "{}", `{"a":1}`: `{"a":1}`} {
		var raw []byte
		if settings != "" {
			raw = []byte(settings)
		}
		r := NewSettingsRequest(raw)
		dst := make([]byte, r.Len())
		r.Encode(dst)
		if string(dst) != want {
			t.Errorf("request for settings %q is %q, want %q", settings, dst, want)
		}
	}
}
