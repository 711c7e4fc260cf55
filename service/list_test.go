package service_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage"
)

// A List that would not fit into one answer says so, and a narrower one works.
func TestListTooLarge(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	const count = 9
	payload := bytes.Repeat([]byte{1}, service.MaxListBytes/(count-1))
	for i := range count {
		view, err := f.store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.store.Commit(t.Context(), view, storage.Change{Writes: []storage.Write{{
			Operation: plimsoll.OperationCreate, Namespace: "default", Container: &plimsoll.Container{
				ID: fmt.Sprintf("c%d", i), Runtime: plimsoll.Runtime{Name: runc}, Spec: plimsoll.Any{TypeURL: "x/blob", Value: payload},
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		_ = view.Close()
	}
	srv := f.serve(t)
	client := containerdv1connect.NewContainersClient(srv.Client(), srv.URL)

	_, err := client.List(t.Context(), &containerdv1.ListContainersRequest{})
	if connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(err.Error(), "narrow the filter") {
		t.Errorf("List of everything: %v", err)
	}
	res, err := client.List(t.Context(), &containerdv1.ListContainersRequest{Filter: "id~=^c[1-7]$"})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(res.GetContainers()); got != 7 {
		t.Errorf("List of seven: got %d", got)
	}
}
