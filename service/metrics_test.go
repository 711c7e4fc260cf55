package service_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll/service"
)

// Every attempt counts once, by what became of it, and what callers make up is in no label.
func TestMetrics(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	f.SetRuleset(labelRules())
	srv := f.serve(t)
	client := clientsOf(t, srv)["connect/http1"]
	fit := container("telltale-id")
	if _, _, err := client.create(t.Context(), nil, fit); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.create(t.Context(), nil, fit); err == nil {
		t.Fatal("created twice")
	}
	if _, _, err := client.create(t.Context(), nil, container("unfit", "policy", "1")); err == nil {
		t.Fatal("created against a policy")
	}
	if _, _, err := client.create(t.Context(), http.Header{http.CanonicalHeaderKey(service.HeaderDryRun): {"true"}}, container("dry")); err != nil {
		t.Fatal(err)
	}

	res, err := http.Get(srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := string(body)
	for _, want := range []string{
		`plimsoll_decisions_total{operation="CREATE",outcome="admitted"} 1`,
		`plimsoll_decisions_total{operation="CREATE",outcome="denied"} 1`,
		`plimsoll_decisions_total{operation="CREATE",outcome="dry-run"} 1`,
		`plimsoll_decisions_total{operation="CREATE",outcome="failed"} 1`,
		`plimsoll_decision_duration_seconds_count{operation="CREATE"} 4`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(got, "telltale-id") {
		t.Error("/metrics tells IDs")
	}
	if t.Failed() {
		t.Log(got)
	}
}
