package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever the request is, there is a verdict, of a size that hosts take.
func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"operation":"CREATE","object":{"spec_type":"","spec":{"linux":{"devices":[{"type":7}]}}},"settings":{"forbid":["devices"]}}`))
	f.Add([]byte(`{"object":{"spec":{"annotations":{"io.katacontainers.config.hypervisor.kernel_verity_params":"a,b=c"}}}}`))
	f.Add([]byte(`{"object":{"spec":{"mounts":[{"destination":"/proc/..","options":["bind"]}]}}}`))
	f.Add([]byte(`{"settings":{"valid_jailer_paths":["["]}}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, request []byte) {
		for _, verdict := range [][]byte{judge(request), judgeSettings(request)} {
			if !json.Valid(verdict) || len(verdict) > 64<<10 {
				t.Errorf("the verdict has %d bytes: %.200s", len(verdict), verdict)
			}
		}
	})
}

func TestJudgeSettings(t *testing.T) {
	for _, tc := range []struct{ name, settings, want string }{
		{name: "none", settings: `{}`},
		{name: "patterns", settings: `{"valid_jailer_paths":["/usr/bin/jail*"]}`},
		{name: "no pattern", settings: `{"valid_jailer_paths":["/usr/[bin"]}`, want: "valid_jailer_paths[0]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var verdict struct {
				Violations []struct{ Field string }
			}
			if err := json.Unmarshal(judgeSettings([]byte(tc.settings)), &verdict); err != nil {
				t.Fatal(err)
			}
			var got string
			for _, v := range verdict.Violations {
				got = v.Field
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what is wrong (-want +got):\n%s", diff)
			}
		})
	}
}
