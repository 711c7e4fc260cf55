package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/masking"
)

// Somebody who may can override what the rules say of a mutation, by giving a reason in
// the header plimsoll-break-glass. The rules judge as ever, and everything else holds; what
// they say is recorded, as is who did it and why, in the same commit, and it is loud.

// maxBreakGlassBytes bounds the reason.
const maxBreakGlassBytes = 512

var (
	errNoBreakGlass = errors.New("break-glass is not for this caller: the server's setting break-glass says whose it is, and only on the unix socket is it known who calls; nothing was stored")
	// errNotRecorded keeps anything from being overridden without a trace.
	errNotRecorded = fmt.Errorf("break-glass is refused, because this server records no decisions (decision-retention 0): %w", plimsoll.ErrFailedPrecondition)
)

// readBreakGlass reads the reason from the headers of a request; empty if there is none. A
// wish that cannot be read must not be ignored.
func readBreakGlass(header http.Header) (string, error) {
	values := header.Values(HeaderBreakGlass)
	if len(values) == 0 {
		return "", nil
	}
	reason, err := url.PathUnescape(strings.Join(values, ", "))
	reason = strings.TrimSpace(reason)
	printable := !strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) })
	switch {
	case err != nil || !utf8.ValidString(reason) || !printable:
		return "", badHeader(HeaderBreakGlass, values, "no text on one line, with other characters than ASCII percent-encoded")
	case reason == "":
		return "", &plimsoll.RequestError{Field: "header " + HeaderBreakGlass, Problem: "says no reason"}
	case len(reason) > maxBreakGlassBytes:
		return "", &plimsoll.RequestError{Field: "header " + HeaderBreakGlass, Problem: fmt.Sprintf("has %d bytes; at most %d are allowed", len(reason), maxBreakGlassBytes)}
	}
	return masking.Text(reason), nil
}

// checkBreakGlass refuses to override anything for who may not, and where it would leave no
// trace.
func (s *Service) checkBreakGlass(m *plimsoll.Mutation) error {
	switch {
	case m.BreakGlass == "":
		return nil
	case m.User.Name == "" || m.User.Via == anonymous || !slices.Contains(s.options.BreakGlass, m.User.Name):
		return errNoBreakGlass
	case !s.recorder.records:
		return errNotRecorded
	}
	return nil
}

// breakGlassWarning tells the caller that the use was noticed.
func breakGlassWarning(d *plimsoll.Decision) string {
	_, overridden := countWaived(d.Verdict.Warnings)
	return fmt.Sprintf("break-glass: %d findings of rules overridden, which is recorded in decision %s", overridden, d.ID)
}

// soundAlarm tells of every use of break-glass, whatever came of it.
func (s *Service) soundAlarm(d *plimsoll.Decision) {
	if d.BreakGlass == "" {
		return
	}
	s.metrics.brokeGlass(d)
	_, overridden := countWaived(d.Verdict.Warnings)
	var rules []string
	for _, w := range d.Verdict.Warnings {
		if name := w.Source.RuleName(); w.Waiver != nil && w.Waiver.Kind == plimsoll.WaiverBreakGlass && !slices.Contains(rules, name) && len(rules) < maxAlarmRules {
			rules = append(rules, name)
		}
	}
	message, level := "break-glass was used", slog.LevelError
	if errors.Is(d.Err, errNoBreakGlass) { // anybody can cause that
		message, level = "break-glass was refused", slog.LevelWarn
	}
	s.options.Logger.LogAttrs(context.Background(), level, message,
		slog.String("user", d.User.Name), slog.String("via", d.User.Via), slog.String("reason", d.BreakGlass), slog.String("outcome", string(d.Outcome)),
		slog.String("operation", string(d.Operation)), slog.String("namespace", d.Key.Namespace), slog.String("id", clip(d.Key.ID, maxMetadataBytes)),
		slog.String("decision", d.ID), slog.Uint64("revision", uint64(d.Revision)), slog.Int("overridden", overridden), slog.Any("rules", rules))
}

// maxAlarmRules bounds the rules that an alarm names.
const maxAlarmRules = 16
