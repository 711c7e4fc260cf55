package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"

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
// said: their messages may quote what they judged. Admissions are routine.
func logDecision(log *slog.Logger, d plimsoll.Decision) {
	level := slog.LevelInfo
	if d.Outcome == plimsoll.OutcomeAdmitted || d.Outcome == plimsoll.OutcomeDryRun {
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	var rules []string
	for _, v := range d.Verdict.Violations {
		rules = append(rules, v.Source.String())
	}
	log.LogAttrs(ctx, level, "decision",
		slog.String("outcome", string(d.Outcome)), slog.String("decision", d.ID), slog.String("operation", string(d.Operation)),
		slog.String("namespace", d.Key.Namespace), slog.String("id", d.Key.ID), slog.String("user", d.User.Name),
		slog.Any("rules", rules), slog.Int("warnings", len(d.Verdict.Warnings)), slog.Int("attempts", d.Attempts),
		slog.Uint64("revision", uint64(d.Revision)), slog.Duration("took", d.Duration))
}
