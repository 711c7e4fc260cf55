package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

func newImport() *cobra.Command {
	var (
		flags    clientFlags
		mutation mutationFlags
		from     string
	)
	cmd := &cobra.Command{
		Use: "import {FILE | --from unix:///PATH}", Short: "Bring in containers from a file or from containerd", GroupID: "containers", Args: cobra.MaximumNArgs(1),
		Long: `Create the containers of a file, such as export writes, or of a running containerd:
those of all its namespaces, or of the one that --namespace names, each into the
namespace of the same name. containerd is only read. Everything that a record has
comes along, but for the times and what containerd's other services keep.

Each container is judged on its own, whatever becomes of the others; those that exist
stay as they are. At the end the denied ones are shown, grouped by the rule that said
no. With --dry-run this is a report of what would be denied, and nothing is stored.
The exit code is 3 if any container was denied, else 1 if any failed otherwise.
` + manifestHelp,
		Example: `  plimsoll import containers.yaml
  plimsoll import --from unix:///run/containerd/containerd.sock --dry-run
  plimsoll import --from unix:///run/containerd/containerd.sock -n k8s.io`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (from != "") {
				return usagef("say what to import: either FILE, - for standard input, or --from unix:///PATH")
			}
			c, err := flags.client(&mutation)
			if err != nil {
				return err
			}
			var source iter.Seq2[*manifest, error]
			if from != "" {
				daemon, err := dialContainerd(from)
				if err != nil {
					return err
				}
				defer func() { _ = daemon.Close() }()
				source = daemon.containers(cmd.Context(), flags.namespace, flags.timeout)
			} else {
				manifests, err := readManifests(args[0], cmd.InOrStdin())
				if err != nil {
					return err
				}
				source = inTurn(manifests)
			}
			i := &importing{client: c, dryRun: mutation.dryRun}
			err = i.run(cmd.Context(), source)
			if printErr := i.print(cmd.OutOrStdout(), cmd.ErrOrStderr()); err == nil {
				err = printErr
			}
			switch {
			case err != nil:
				return mutation.failed("", err)
			case len(i.denied) > 0:
				return reportedError(exitDenied)
			case i.failed > 0:
				return reportedError(exitError)
			}
			return nil
		},
	}
	flags.add(cmd)
	mutation.add(cmd)
	cmd.Flags().StringVar(&from, "from", "", "`address` of a containerd, such as unix:///run/containerd/containerd.sock")
	return cmd
}

func inTurn(manifests []*manifest) iter.Seq2[*manifest, error] {
	return func(yield func(*manifest, error) bool) {
		for _, m := range manifests {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// importing is an import under way.
type importing struct {
	client *client
	dryRun bool

	imported, existed, failed int
	denied                    []denied
	failures                  []string
}

// denied is a container that a rule said no to.
type denied struct {
	name    string // with its namespace
	verdict *plimsollv1.Verdict
	message string
}

// Bounds on what goes into one request: the server takes 1000 containers and 4 MiB.
const (
	maxChunk      = 100
	maxChunkBytes = 3 << 20
)

// run creates what the source yields, in chunks of one namespace. If it fails, what
// was counted until then still holds.
func (i *importing) run(ctx context.Context, source iter.Seq2[*manifest, error]) error {
	var (
		chunk     []*plimsollv1.CreateOperation
		namespace string
		size      int
		ids       = map[string]bool{}
	)
	send := func() error {
		defer func() { chunk, size = nil, 0; clear(ids) }()
		if len(chunk) == 0 {
			return nil
		}
		return i.create(ctx, namespace, chunk)
	}
	for m, err := range source {
		if err != nil {
			_ = send()
			return err
		}
		ns := m.namespace
		if ns == "" {
			ns = i.client.namespace
		}
		op := &plimsollv1.CreateOperation{Container: m.container}
		if ns != namespace || len(chunk) == maxChunk || size+proto.Size(op) > maxChunkBytes || ids[m.container.GetId()] {
			if err := send(); err != nil {
				return err
			}
		}
		namespace = ns
		chunk, size, ids[m.container.GetId()] = append(chunk, op), size+proto.Size(op), true
	}
	return send()
}

func (i *importing) create(ctx context.Context, namespace string, chunk []*plimsollv1.CreateOperation) error {
	res, err := i.client.in(namespace).BatchCreate(ctx, &plimsollv1.BatchCreateRequest{
		Operations: chunk, Mode: plimsollv1.BatchMode_BATCH_MODE_BEST_EFFORT,
	})
	if err != nil {
		return err
	}
	for _, r := range res.GetResults() {
		name := r.GetId()
		if namespace != "" {
			name = namespace + "/" + name
		}
		switch {
		case resultError(r) == nil:
			i.imported++
		case r.GetOutcome() == plimsollv1.BatchResult_OUTCOME_DENIED:
			i.denied = append(i.denied, denied{name: name, verdict: r.GetVerdict(), message: r.GetMessage()})
		case codeOf(r.GetCode()) == connect.CodeAlreadyExists:
			i.existed++
		default:
			i.failed++
			i.failures = append(i.failures, fmt.Sprintf("%s: %s", name, r.GetMessage()))
		}
	}
	return nil
}

// print shows what was denied, by rule, and what failed, and sums up.
func (i *importing) print(out, errors io.Writer) error {
	for _, failure := range i.failures {
		_, _ = fmt.Fprintf(errors, "plimsoll: %s\n", printable(failure))
	}
	_, _ = io.WriteString(errors, byRule(i.denied, i.dryRun))
	would := ""
	if i.dryRun {
		would = "would have "
	}
	summary := fmt.Sprintf("%simported %d, denied %d, existed %d", would, i.imported, len(i.denied), i.existed)
	if i.failed > 0 {
		summary += fmt.Sprintf(", failed %d", i.failed)
	}
	_, err := fmt.Fprintln(out, summary)
	return err
}

// byRule groups denials by the rule that said no, in the order in which they first
// did. A container is shown with each rule that has something against it.
func byRule(all []denied, dryRun bool) string {
	type offence struct{ name, field, message, fix string }
	var rules []string
	offences := map[string][]offence{}
	for _, d := range all {
		violations := d.verdict.GetViolations()
		if len(violations) == 0 {
			violations = []*plimsollv1.Violation{{Message: d.message}}
		}
		for _, v := range violations {
			rule := orDash(sourceOf(v))
			if offences[rule] == nil {
				rules = append(rules, rule)
			}
			offences[rule] = append(offences[rule], offence{d.name, orDash(v.GetField()), v.GetMessage(), fixOf(v)})
		}
	}
	lead := "denied"
	if dryRun {
		lead = "would be denied"
	}
	var b strings.Builder
	for _, rule := range rules {
		_, _ = fmt.Fprintf(&b, "%s by %s\n", lead, printable(rule))
		t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
		fix := ""
		for _, o := range offences[rule] {
			if o.fix != fix && fix != "" {
				row(t, "", "", fix)
			}
			fix = o.fix
			row(t, o.name, o.field, o.message)
		}
		if fix != "" {
			row(t, "", "", fix)
		}
		_ = t.Flush() // into memory
	}
	return b.String()
}
