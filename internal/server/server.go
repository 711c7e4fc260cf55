// Package server puts Plimsoll together: configuration, store, ruleset, service and
// listeners. It is the only package that knows all of them.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
)

// Options are what a program, rather than its user, decides about a server.
type Options struct {
	// Log is where log lines go.
	Log io.Writer
	// Stdout is where the decision log goes, if it is to go to standard output.
	Stdout io.Writer
	// OnDecision, if set, is called with every decision instead of logging it.
	OnDecision func(plimsoll.Decision)
	// Version and Commit are those of the build, for clients that ask.
	Version string
	Commit  string
	// Hangup, if set, has the server look for other rules, for whatever it receives.
	Hangup <-chan os.Signal
	// OnReady, if set, is called once mutations can be judged and committed, with
	// the address that is listened on.
	OnReady func(net.Addr)
}

// Run serves until ctx ends, then stops taking connections, finishes the requests
// in flight, closes the store and returns nil. It returns an error if the server
// cannot start, or if it must stop because the store failed.
func Run(ctx context.Context, config Config, options Options) (err error) {
	log, err := newLogger(options.Log, config.LogFormat, config.LogLevel)
	if err != nil {
		return err
	}
	defer makeRoomForSyncs()()
	// Listen first: a port in use is the commonest mistake, and then nothing has
	// been touched yet. Connections wait until serving begins.
	listeners, certificates, err := listen(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // already closed if serving began
		}
	}()
	rules, err := newRulekeeper(ctx, config, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rules.close()) }()
	store, err := badgerstore.Open(badgerstore.Options{Dir: config.Data, Logger: log})
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%w; choose a directory that this user can write to with --data", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	id, err := serverID(config.Data)
	if err != nil {
		return err
	}
	onDecision := options.OnDecision
	if onDecision == nil {
		onDecision = func(d plimsoll.Decision) { logDecision(log, d) }
	}
	registry := newMetricsRegistry(options)
	registry.MustRegister(rules.metrics)
	svc := service.New(store, service.Options{
		DefaultNamespace:    config.DefaultNamespace,
		DefaultSnapshotter:  config.DefaultSnapshotter,
		OpenNamespaceLabels: config.OpenNamespaceLabels,
		BreakGlass:          config.BreakGlass,
		ExemptionLimit:      config.ExemptionLimit,
		Version:             options.Version,
		Commit:              options.Commit,
		ServerID:            id,
		MutationTimeout:     config.MutationTimeout,
		MaxInFlight:         config.MaxInFlight,
		RequestRetention:    config.RequestRetention,
		DecisionRetention:   decisionRetention(config),
		RecordSecrets:       !config.DecisionMasking,
		DecisionLimit:       decisionLimit(config),
		CORSOrigins:         config.CORSOrigins,
		DecisionInputs:      service.DecisionInputs(config.DecisionInputs),
		AuditInterval:       config.AuditInterval,
		BackgroundShare:     config.BackgroundShare,
		BackgroundInFlight:  config.BackgroundInFlight,
		Rulesets:            rules,
		Logger:              log,
		OnDecision:          onDecision,
		Metrics:             registry,
	})
	rules.begin(svc.SetRuleset)

	serving, stopWorking := context.WithCancel(ctx)
	working := startCompaction(serving, store, plimsoll.Revision(config.EventLimit), log) //nolint:gosec // not negative
	working.Go(func() { runTrimming(serving, svc.TrimDecisions, log) })
	working.Go(func() { rules.run(serving, options.Hangup) })
	working.Go(func() { svc.AuditContinuously(serving) })
	defer func() {
		stopWorking()
		working.Wait()
	}()

	couriers, err := startCouriers(config, options, svc, id, registry, log)
	if err != nil {
		return err
	}
	defer func() {
		finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		couriers.finish(finishing)
	}()
	if !config.DecisionMasking {
		log.Warn("what is recorded of decisions may have secrets in it (--decision-masking=false)")
	}

	drain := newDrain()
	web := newHTTPServer(drain.handler(svc.Handler()))
	web.ConnState = drain.connState
	web.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	if certificates != nil {
		web.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certificates}
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		// Not web.TLSConfig: serving sets it, with TLS or without.
		encrypted := certificates != nil && l.Addr().Network() == "tcp"
		go func() {
			if encrypted {
				ended <- web.ServeTLS(bufferedListener{l}, "", "")
			} else {
				ended <- web.Serve(bufferedListener{l})
			}
		}()
		log.Info("listening", "address", l.Addr().String(), "tls", encrypted)
	}
	log.Info("ready", "ruleset", rules.Status().Ruleset, "data", config.Data)
	if options.OnReady != nil {
		options.OnReady(listeners[0].Addr())
	}

	select {
	case <-ctx.Done():
		log.Info("stopping: finishing requests in flight", "timeout", config.ShutdownTimeout)
	case <-store.Failed():
		err = fmt.Errorf("the store failed, what is on disk is unsure until it is reopened: %w", store.Err())
	case err = <-ended:
		err = fmt.Errorf("serve: %w", err)
	}
	svc.Drain()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.ShutdownTimeout)
	defer cancel()
	for _, l := range listeners {
		_ = l.Close() // nobody comes any more
	}
	drain.begin()
	drain.wait(stopping)
	if e := web.Shutdown(stopping); e != nil {
		log.Warn("requests were still in flight at the shutdown timeout; they are cut off")
		_ = web.Close()
	}
	flushing, cancelFlush := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancelFlush()
	if e := svc.Flush(flushing); e != nil {
		log.Warn("the latest decisions were not recorded", "error", e.Error())
	}
	log.Info("stopped")
	return err
}

// flushTimeout bounds how long a stop waits for the latest decisions to be recorded.
const flushTimeout = 5 * time.Second

// decisionRetention is the configured one in the service's terms, where 0 is the default.
func decisionRetention(config Config) time.Duration {
	if config.DecisionRetention == 0 {
		return -1
	}
	return config.DecisionRetention
}

// decisionLimit is the configured one in bytes. Validate has checked it.
func decisionLimit(config Config) int64 {
	limit, _ := humanize.ParseBytes(config.DecisionLimit)
	return int64(min(limit, math.MaxInt64)) //nolint:gosec // bounded
}

// listen opens the TCP address and, if configured, the unix socket.
func listen(ctx context.Context, config Config) (_ []net.Listener, certificates []tls.Certificate, err error) {
	if config.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(config.TLSCert, config.TLSKey)
		if err != nil {
			return nil, nil, fmt.Errorf("tls-cert %s and tls-key %s: %w", config.TLSCert, config.TLSKey, err)
		}
		certificates = []tls.Certificate{certificate}
	}
	tcp, err := listenTCP(ctx, config.Listen)
	if err != nil {
		return nil, nil, err
	}
	listeners := []net.Listener{tcp}
	if config.Socket != "" {
		unix, err := listenUnix(ctx, config.Socket)
		if err != nil {
			_ = tcp.Close()
			return nil, nil, err
		}
		listeners = append(listeners, unix)
	}
	return listeners, certificates, nil
}
