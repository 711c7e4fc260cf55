package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

func newExemptionCreate() *cobra.Command {
	var (
		c       exemptionCommand
		e       plimsollv1.Exemption
		expires string
		file    string
	)
	cmd := &cobra.Command{
		Use: "create [ID]", Short: "Create an exemption", Args: cobra.MaximumNArgs(1),
		Long: `Create an exemption from a rule: of the containers in some namespaces, or only of some of
them, until it expires. Rule, namespaces, owner, reason and expiry are required. Without an
ID it gets one.

With -f the exemptions of a file are created: YAML documents or JSON, with the fields id,
rule, namespaces, containers, labels, reason, owner and expires_at, which may also be in
--expires. Stops at the first that fails.

Labels are chosen by who creates containers: an exemption by labels alone is one for
whoever knows them.`,
		Example: `  plimsoll exemption create legacy-web --rule labels.required --namespaces dev-1 --containers 'web-*' \
      --owner core --reason "labels come with the next release" --expires 14d
  plimsoll exemption create --rule runc-spec --namespaces 'ci-*' --owner ci --reason "see #42" --expires 2026-12-24 --dry-run
  plimsoll exemption create -f exemption.yaml --expires 7d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			asked, err := exemptionsToCreate(cmd, args, file, &e)
			if err != nil {
				return err
			}
			if c.namespace != "" && len(e.GetNamespaces()) == 0 {
				e.Namespaces = []string{c.namespace}
			}
			for _, one := range asked {
				if expires != "" && one.GetExpiresAt() == nil {
					at, err := parseExpiry(expires, time.Now())
					if err != nil {
						return err
					}
					one.ExpiresAt = timestamppb.New(at)
				}
			}
			client, p, err := c.start(cmd)
			if err != nil {
				return err
			}
			for _, one := range asked {
				if err := createExemption(cmd, client, p, one, c.dryRun); err != nil {
					return &attemptError{about: aboutOf(one.GetId(), len(asked)), dryRun: c.dryRun, err: err}
				}
			}
			return nil
		},
	}
	c.add(cmd, true)
	flags := cmd.Flags()
	flags.StringVarP(&file, "file", "f", "", "`file` with exemptions, instead of the flags; - for standard input")
	flags.StringVar(&e.Rule, "rule", "", "`name` of a policy package, of a rule in it (PACKAGE.deny) or of a validator, or a pattern")
	flags.StringSliceVar(&e.Namespaces, "namespaces", nil, "`names` of namespaces, or patterns; * for all")
	flags.StringSliceVar(&e.Containers, "containers", nil, "`IDs` of containers, or patterns (default: all)")
	flags.StringToStringVarP(&e.Labels, "labels", "l", nil, "only containers with these labels, `KEY=VALUE,…`")
	flags.StringVar(&e.Reason, "reason", "", "`why`")
	flags.StringVar(&e.Owner, "owner", "", "`who` answers for it, such as a team")
	flags.StringVar(&expires, "expires", "", "`when` it ends: a time from now such as 14d or 36h, a date, or a time as of RFC 3339")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

// exemptionsToCreate are those of the file, or the one that the flags describe.
func exemptionsToCreate(cmd *cobra.Command, args []string, file string, flagged *plimsollv1.Exemption) ([]*plimsollv1.Exemption, error) {
	if file == "" {
		for _, flag := range []string{"rule", "reason", "owner", "expires"} {
			if !cmd.Flags().Changed(flag) {
				return nil, usagef("--%s is missing; or say -f FILE", flag)
			}
		}
		if len(args) == 1 {
			flagged.Id = args[0]
		}
		return []*plimsollv1.Exemption{flagged}, nil
	}
	for _, flag := range []string{"rule", "reason", "owner", "namespaces", "containers", "labels"} {
		if cmd.Flags().Changed(flag) || len(args) > 0 {
			return nil, usagef("-f says all there is to say but --expires; leave the ID and --%s out", flag)
		}
	}
	data, err := readFile(file, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	documents, err := splitDocuments(data)
	if err != nil {
		return nil, fmt.Errorf("%s, document %d: %w", nameOf(file), len(documents)+1, err)
	}
	var all []*plimsollv1.Exemption
	for i, document := range documents {
		object, err := toJSON(document)
		if err == nil && bytes.Equal(object, []byte("null")) {
			continue // nothing but comments
		}
		one := &plimsollv1.Exemption{}
		if err == nil {
			err = service.JSONCodecs()[0].Unmarshal(object, one)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, document %d: %w", nameOf(file), i+1, err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no exemption in it", nameOf(file))
	}
	return all, nil
}

func createExemption(cmd *cobra.Command, client plimsollv1connect.ExemptionServiceClient, p *printer, e *plimsollv1.Exemption, dryRun bool) error {
	res, err := client.CreateExemption(cmd.Context(), &plimsollv1.CreateExemptionRequest{Exemption: e})
	if err != nil {
		return err
	}
	for _, w := range res.GetWarnings() {
		cmd.PrintErrf("warning: %s\n", printable(warningText(w)))
	}
	if !p.isTable() {
		return printExemptions(p, res.GetExemption(), res.GetExemption())
	}
	return say(cmd, "%s %s   expires %s", res.GetExemption().GetId(), doneOf(dryRun, "created"), expiryOf(res.GetExemption()))
}

func doneOf(dryRun bool, done string) string {
	if dryRun {
		return "would be " + done
	}
	return done
}

// say writes a line about what was done.
func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), printable(fmt.Sprintf(format, args...)))
	return err
}

// parseExpiry reads a time from now, a date, or a time.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return at, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, usagef("--expires %q is none of 14d, 36h, 2006-01-02, 2006-01-02T15:04:05Z", text)
}
