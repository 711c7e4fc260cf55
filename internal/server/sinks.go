package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/decisionlog"
	"github.com/plimsoll-project/plimsoll/internal/decisionlog/sink"
	"github.com/plimsoll-project/plimsoll/service"
)

// stdoutSink is the target of the decision log that is no path and no URL.
const stdoutSink = "stdout"

// sinkKind is what a target is: stdout, file or http.
func sinkKind(target string) string {
	switch {
	case target == stdoutSink:
		return stdoutSink
	case strings.Contains(target, "://"):
		return "http"
	}
	return "file"
}

// checkSinks says what is wrong with where decisions are sent.
func (c Config) checkSinks() []error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	kinds := map[string]bool{}
	for i, target := range c.DecisionLog {
		kinds[sinkKind(target)] = true
		if slices.Contains(c.DecisionLog[:i], target) {
			problem("decision-log: %s is there twice", shownTarget(target))
		}
		switch sinkKind(target) {
		case "http":
			if _, err := c.sinkURL(target); err != nil {
				problem("decision-log: %w", err)
			}
		case "file":
			if target == "" {
				problem("decision-log: a path is empty")
			}
			if c.isInData(target) {
				problem("decision-log: %s is in the data directory %s, whose files are the server's own: put it elsewhere", target, c.Data)
			}
		}
	}
	if len(c.DecisionLog) > 0 && c.DecisionRetention == 0 {
		problem("decision-log: with decision-retention 0 nothing is recorded, and nothing can be sent on")
	}
	if c.DecisionLogMaxSize < sink.MinMegabytes {
		problem("decision-log-max-size: must be at least %d megabytes", sink.MinMegabytes)
	}
	if c.DecisionLogMaxDays < 0 || c.DecisionLogMaxFiles < 0 {
		problem("decision-log-max-days and decision-log-max-files: cannot be negative; 0 is for any")
	}
	for name, path := range map[string]string{"decision-log-token-file": c.DecisionLogTokenFile, "decision-log-ca-cert": c.DecisionLogCACert} {
		if path != "" && !kinds["http"] {
			problem("%s: there is no decision-log with a URL to use it for", name)
		}
	}
	if _, err := c.sinkLabels(); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// isInData reports whether a path is in the data directory.
func (c Config) isInData(path string) bool {
	data, err := filepath.Abs(c.Data)
	at, errAt := filepath.Abs(path)
	return c.Data != "" && err == nil && errAt == nil && isWithin(at, data)
}

// sinkURL is a target that is a URL.
func (c Config) sinkURL(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	switch {
	case err != nil: // it may be quoted in there, with secrets
		return nil, errors.New("a URL cannot be read")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%s is neither stdout, nor a path, nor an http:// or https:// URL", shownTarget(target))
	case u.User != nil:
		return nil, fmt.Errorf("%s: a password in a URL is seen by whoever sees settings; put a token into a file: decision-log-token-file", shownTarget(target))
	case u.Scheme == "http" && !isLoopback(u.Hostname()) && !c.Insecure:
		return nil, fmt.Errorf("%s would be sent to in plain text; use https, or allow it with insecure", shownTarget(target))
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/logs" // as OPA does
	}
	return u, nil
}

// shownTarget is a target without what may be secret in it.
func shownTarget(target string) string {
	u, err := url.Parse(target)
	if sinkKind(target) != "http" {
		return target
	}
	if err != nil {
		return "a URL"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// sinkLabels are the labels that events get besides those of their own.
func (c Config) sinkLabels() (map[string]string, error) {
	labels := map[string]string{}
	for _, label := range c.DecisionLogLabels {
		key, value, ok := strings.Cut(label, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("decision-log-labels: %q is not of the form KEY=VALUE", label)
		}
		labels[key] = value
	}
	return labels, nil
}

// couriers take the decision log to where it is sent.
type couriers struct {
	all  []*sink.Courier
	log  *slog.Logger
	stop context.CancelFunc
	work sync.WaitGroup
}

// cursorDir is where in the data directory it is kept how far each sink has come.
const cursorDir = "decision-log"

// startCouriers begins to send the decision log on.
func startCouriers(config Config, options Options, svc *service.Service, serverID string, registry prometheus.Registerer, log *slog.Logger) (*couriers, error) {
	c := &couriers{log: log}
	if len(config.DecisionLog) == 0 {
		c.stop = func() {}
		return c, nil
	}
	dir := filepath.Join(config.Data, cursorDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	labels, err := config.sinkLabels()
	if err != nil {
		return nil, err
	}
	source := &decisionSource{svc: svc, labels: decisionlog.LabelsOf(serverID, options.Version, labels), log: log}
	metrics := sink.NewMetrics(registry)
	for _, target := range config.DecisionLog {
		to, err := config.openSink(target, options)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("decision-log %s: %w", shownTarget(target), err)
		}
		name := c.nameOf(sinkKind(target))
		sum := sha256.Sum256([]byte(target))
		cursor := cursorFile(filepath.Join(dir, sinkKind(target)+"-"+hex.EncodeToString(sum[:4])))
		metrics.Begin(name)
		courier := sink.New(name, source, to, cursor, log, metrics)
		registry.MustRegister(unsent(courier))
		c.all = append(c.all, courier)
		log.Info("sending the decision log on", "sink", name, "to", shownTarget(target))
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for _, courier := range c.all {
		c.work.Go(func() { courier.Run(ctx) })
	}
	return c, nil
}

// unsent is how many decisions a courier has before it.
func unsent(courier *sink.Courier) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "plimsoll_decision_log_unsent", Help: "How many records of the log a sink has not come to yet.",
		ConstLabels: prometheus.Labels{"sink": courier.Name},
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		head, err := courier.Source.Head(ctx)
		if err != nil {
			return math.NaN()
		}
		return float64(head - min(head, courier.Sent()))
	})
}

// nameOf is the name of the next courier to a sink of a kind: http, http-2, and so on.
func (c *couriers) nameOf(kind string) string {
	n := 1
	for _, other := range c.all {
		if other.Name == kind || strings.HasPrefix(other.Name, kind+"-") {
			n++
		}
	}
	if n == 1 {
		return kind
	}
	return fmt.Sprintf("%s-%d", kind, n)
}

func (c *couriers) close() {
	for _, courier := range c.all {
		_ = courier.Sink.Close()
	}
}

// finish sends what is left, until ctx ends, and stops.
func (c *couriers) finish(ctx context.Context) {
	var finishing sync.WaitGroup
	for _, courier := range c.all {
		finishing.Go(func() {
			if err := courier.Finish(ctx); err != nil {
				c.log.Warn("stopping to send the decision log on", "sink", courier.Name, "error", err.Error())
			}
		})
	}
	finishing.Wait()
	c.stop()
	c.work.Wait()
}

func (c Config) openSink(target string, options Options) (sink.Sink, error) {
	switch sinkKind(target) {
	case stdoutSink:
		if options.Stdout == nil {
			return nil, errors.New("there is no standard output")
		}
		// Whoever reads it may go away, which must not end the server.
		signal.Ignore(syscall.SIGPIPE)
		return sink.NewStream(options.Stdout), nil
	case "file":
		return sink.NewFile(sink.FileOptions{
			Path: target, MaxMegabytes: c.DecisionLogMaxSize, MaxDays: c.DecisionLogMaxDays, MaxFiles: c.DecisionLogMaxFiles,
		})
	}
	u, err := c.sinkURL(target)
	if err != nil {
		return nil, err
	}
	return sink.NewHTTP(sink.HTTPOptions{URL: u, TokenFile: c.DecisionLogTokenFile, CAFile: c.DecisionLogCACert})
}

// cursorFile keeps how far a courier has come in a file.
type cursorFile string

// Load implements [sink.Cursor].
func (c cursorFile) Load() (uint64, error) {
	content, err := os.ReadFile(string(c))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(content)), 10, 64)
}

// Save implements [sink.Cursor].
func (c cursorFile) Save(sequence uint64) error {
	return writeDurably(string(c), fmt.Appendf(nil, "%d\n", sequence), 0o600)
}

// decisionSource is the decision log as events.
type decisionSource struct {
	svc    *service.Service
	labels map[string]string
	log    *slog.Logger
}

var _ sink.Source = (*decisionSource)(nil)

// Head implements [sink.Source].
func (d *decisionSource) Head(ctx context.Context) (uint64, error) { return d.svc.LogHead(ctx) }

// Follow implements [sink.Source].
func (d *decisionSource) Follow(ctx context.Context, after uint64) iter.Seq2[sink.Item, error] {
	return func(yield func(sink.Item, error) bool) {
		for decision, err := range d.svc.FollowDecisions(ctx, after) {
			if trimmed, ok := errors.AsType[*plimsoll.TrimmedError](err); ok {
				err = &sink.GoneError{First: trimmed.First}
			}
			item := sink.Item{Sequence: decision.Sequence}
			if err == nil && decision.Record != nil {
				item, err = d.item(ctx, decision)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func (d *decisionSource) item(ctx context.Context, decision service.LoggedDecision) (sink.Item, error) {
	item := sink.Item{Sequence: decision.Sequence}
	event, err := decisionlog.EventOf(decision.Record.GetDecision(), decision.Record.GetInput(), d.labels)
	if err != nil {
		return item, err
	}
	line, err := event.JSON()
	if err != nil {
		return item, err
	}
	if item.Dropped = d.svc.DropsDecision(ctx, line); !item.Dropped {
		item.Event = line
	}
	return item, nil
}

// finishTimeout bounds how long a stop waits for the latest decisions to be sent on.
const finishTimeout = 5 * time.Second
