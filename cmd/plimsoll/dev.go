package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/examples"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newDev() *cobra.Command {
	// What is written by default is gone with the command: the directory is made
	// when it runs.
	defaults := server.DefaultConfig()
	defaults.Data, defaults.LogLevel = "", "warn"
	cmd := &cobra.Command{
		Use:     "dev",
		Short:   "Run a server to try things out, with sample containers",
		GroupID: "server",
		Long: `Run a server to try things out: on loopback, with the built-in policies and
validator unless others are given, a few sample containers, and a line for people
about each decision. Without --data what is stored is gone afterwards. With TLS
there are no samples.`,
		Example: `  plimsoll dev
  plimsoll dev --policies ./policies --listen 127.0.0.1:0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "plimsoll-dev-")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			defaults.Data = dir
			config, err := loadConfig(cmd, defaults)
			if err != nil {
				return err
			}
			out := &syncWriter{w: cmd.OutOrStdout()}
			var greeting sync.WaitGroup
			defer greeting.Wait()
			v, commit, _ := build()
			return server.Run(cmd.Context(), config, server.Options{
				Version: v, Commit: commit,
				Log:        cmd.ErrOrStderr(),
				Stdout:     out,
				OnDecision: func(d plimsoll.Decision) { printDecision(out, d) },
				OnReady: func(addr net.Addr) {
					greeting.Go(func() { greet(cmd.Context(), out, config, addr) })
				},
			})
		},
	}
	server.AddFlags(cmd.Flags(), defaults)
	return cmd
}

// syncWriter lets decisions and greeting share the terminal.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// greet creates the sample containers, through the API like anybody, and says what
// to try next.
func greet(ctx context.Context, w io.Writer, config server.Config, addr net.Addr) {
	scheme := "http"
	if config.TLSCert != "" {
		scheme = "https"
	}
	base := scheme + "://" + addr.String()
	if scheme == "http" {
		if err := createSamples(ctx, base); err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintf(w, "sample containers: %v\n", err)
		}
	}
	address := ""
	if addr.String() != server.DefaultListen {
		address = " --address " + base
	}
	_, _ = fmt.Fprintf(w, `
Plimsoll listens on %s: Connect, gRPC and gRPC-Web. Try, in another terminal:

  plimsoll list%s
  plimsoll label web team=nobody%s          # a policy has something against it
  curl -H 'content-type: application/json' -d '{"filter": "labels.team==core"}' \
    %s/%s/List

Each decision is shown below. Ctrl-C ends the server.

`, base, address, address, base, containerdv1connect.ContainersName)
}

func createSamples(ctx context.Context, base string) error {
	manifests, err := readManifests("-", bytes.NewReader(examples.SampleContainers))
	if err != nil {
		return err
	}
	flags := clientFlags{address: base, timeout: 30 * time.Second}
	c, err := flags.client(nil)
	if err != nil {
		return err
	}
	for _, m := range manifests {
		// With --data they are there from the last time.
		if _, err := c.mutate(ctx, creation(m.container)); err != nil && connect.CodeOf(err) != connect.CodeAlreadyExists {
			return err
		}
	}
	return nil
}

// printDecision shows a decision to a person.
func printDecision(w io.Writer, d plimsoll.Decision) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-8s  %-6s  %s/%s   decision %s   %s\n", d.Time.Local().Format(time.TimeOnly), d.Outcome,
		strings.ToLower(string(d.Operation)), printable(d.Key.Namespace), printable(d.Key.ID), d.ID, d.Duration.Round(10*time.Microsecond))
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	show := func(kind string, violations []plimsoll.Violation) {
		for _, v := range violations {
			_, _ = fmt.Fprintf(t, "          %s\t%s\t%s\t%s\n", kind, orDash(printable(v.Field)), printable(v.Message), printable(v.Source.String()))
		}
	}
	show("denied", d.Verdict.Violations)
	show("warning", d.Verdict.Warnings)
	_ = t.Flush()
	if d.Outcome == plimsoll.OutcomeFailed && d.Err != nil {
		fmt.Fprintf(&b, "          %s\n", printable(d.Err.Error()))
	}
	_, _ = io.WriteString(w, b.String())
}
