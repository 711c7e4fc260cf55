// Command containerd serves containerd's own containers and namespaces services, and
// nothing else of containerd, for others to be compared with.
//
// They are the plugins that containerd itself is made of, put together as it does,
// with its defaults: the metadata store in bbolt, synced at every commit, and events
// to whoever listens. What is left out makes it faster than containerd as it is
// installed: metrics, tracing and the garbage collector, which each deletion starts.
//
// It prints "ready" once it serves, and ends on SIGINT and SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/plugins"
	_ "github.com/containerd/containerd/v2/plugins/content/local/plugin" // metadata requires one of each
	_ "github.com/containerd/containerd/v2/plugins/events"
	bolt "github.com/containerd/containerd/v2/plugins/metadata"
	_ "github.com/containerd/containerd/v2/plugins/services/containers"
	_ "github.com/containerd/containerd/v2/plugins/services/namespaces"
	_ "github.com/containerd/containerd/v2/plugins/snapshots/native/plugin"
	"github.com/containerd/log"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"
	"google.golang.org/grpc"
)

func main() {
	socket := flag.String("socket", "", "`path` of the unix socket to serve on")
	data := flag.String("data", "", "`directory` of the database")
	noSync := flag.Bool("nosync", false, "do not sync to disk, as containerd's no_sync: to load records, not to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *socket, *data, *noSync); err != nil {
		fmt.Fprintln(os.Stderr, "containerd:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, socket, data string, noSync bool) (err error) {
	if err := log.SetLevel("warn"); err != nil {
		return err
	}
	set, err := load(ctx, data, noSync)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize), grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize))
	for _, p := range set.GetAll() {
		instance, err := p.Instance()
		if err != nil {
			return err
		}
		switch instance := instance.(type) {
		case interface{ Register(*grpc.Server) error }:
			if err := instance.Register(server); err != nil {
				return err
			}
		case *metadata.DB:
			defer func() { err = errors.Join(err, instance.Close()) }()
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, server.GracefulStop)()
	fmt.Fprintln(os.Stdout, "ready")
	return server.Serve(listener)
}

// load initializes all plugins that are linked in, as containerd's server does.
func load(ctx context.Context, data string, noSync bool) (*plugin.Set, error) {
	set := plugin.NewPluginSet()
	for _, p := range registry.Graph(func(*plugin.Registration) bool { return false }) {
		dir := filepath.Join(data, p.URI())
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		initContext := plugin.NewContext(ctx, set, map[string]string{
			plugins.PropertyRootDir: dir, plugins.PropertyStateDir: filepath.Join(dir, "state"),
		})
		initContext.RegisterReadiness = func() func() { return func() {} }
		initContext.Config = p.Config
		if config, ok := p.Config.(*bolt.BoltConfig); ok {
			config.NoSync = noSync
		}
		loaded := p.Init(initContext)
		if err := loaded.Err(); err != nil {
			return nil, fmt.Errorf("plugin %s: %w", p.URI(), err)
		}
		if err := set.Add(loaded); err != nil {
			return nil, err
		}
	}
	return set, nil
}
