package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log-level: %q is none of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log-format: %q is neither text nor json", format)
}

// logDecision logs that a decision was made and by which rules, but not what they
// said: their messages may quote what they judged. Admissions are routine, unless a
// validator in shadow would not have admitted.
func logDecision(log *slog.Logger, d plimsoll.Decision) {
	level := slog.LevelInfo
	against := shadowsAgainst(d.Verdict.Shadows)
	if (d.Outcome == plimsoll.OutcomeAdmitted || d.Outcome == plimsoll.OutcomeDryRun) && len(against) == 0 {
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("outcome", string(d.Outcome)), slog.String("decision", d.ID), slog.String("operation", string(d.Operation)),
		slog.String("namespace", d.Key.Namespace), slog.String("id", d.Key.ID), slog.String("user", d.User.Name),
		slog.Any("rules", rulesOf(d.Verdict.Violations)), slog.Int("violations", len(d.Verdict.Violations)), slog.Int("warnings", len(d.Verdict.Warnings)), slog.Int("patches", len(d.Patches)), slog.Int("attempts", d.Attempts),
		slog.Uint64("revision", uint64(d.Revision)), slog.Duration("took", d.Duration),
	}
	if len(against) > 0 {
		attributes = append(attributes, slog.Any("shadows", against))
	}
	log.LogAttrs(ctx, level, "decision", attributes...)
}

// shadowsAgainst names the rules in shadow that would not have admitted.
func shadowsAgainst(shadows []plimsoll.Shadow) []string {
	var against []string
	for _, s := range shadows {
		switch {
		case len(against) == maxLoggedRules:
			return append(against, "...")
		case s.Err != nil:
			against = append(against, s.Source.String()+" failed")
		case len(s.Violations) > 0:
			against = append(against, s.Source.String()+" would deny")
		}
	}
	return against
}

// maxLoggedRules bounds a line of the log.
const maxLoggedRules = 32

// rulesOf names the rules that found violations, each once: how many violations a
// rule finds is up to whoever made the request.
func rulesOf(violations []plimsoll.Violation) []string {
	var rules []string
	for _, v := range violations {
		name := v.Source.String()
		if slices.Contains(rules, name) {
			continue
		}
		if len(rules) == maxLoggedRules {
			return append(rules, "...")
		}
		rules = append(rules, name)
	}
	return rules
}
