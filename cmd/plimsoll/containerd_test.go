package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A containerd that accepts and says nothing does not keep an import for ever.
func TestSilentContainerd(t *testing.T) {
	dir, err := os.MkdirTemp("", "plimsoll") // paths of sockets are limited
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d, err := dialContainerd("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, namespace := range []string{"", "k8s.io"} {
		for m, err := range d.containers(t.Context(), namespace, 50*time.Millisecond) {
			if m != nil || err == nil || !strings.Contains(err.Error(), "no answer in the time") {
				t.Errorf("namespace %q: %v, %v", namespace, m, err)
			}
		}
	}
}
