package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run the server",
		GroupID: "server",
		Long: `Run the server: Connect, gRPC and gRPC-Web on one port, over HTTP/1.1 and HTTP/2.

Without --policies and --validators it enforces what is built in: the starter
policies and the runc spec checker. It stops on SIGINT and SIGTERM, after finishing
the requests in flight. Policies and validators are loaded again when they change, and
on SIGHUP. /readyz answers 200 once mutations can be judged and stored.

Every setting can also come from the environment or from a configuration file. A
flag wins over the environment, and the environment over the file.`,
		Example: `  plimsoll serve --data /var/lib/plimsoll
  plimsoll serve --data ./data --policies ./policies --validators ./validators.yaml
  plimsoll serve --listen 0.0.0.0:1876 --tls-cert server.pem --tls-key server.key
  plimsoll serve --socket /run/plimsoll/plimsoll.sock
  plimsoll serve --config plimsoll.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadConfig(cmd, server.DefaultConfig())
			if err != nil {
				return err
			}
			v, commit, _ := build()
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			return server.Run(cmd.Context(), config, server.Options{Log: cmd.ErrOrStderr(), Stdout: cmd.OutOrStdout(), Version: v, Commit: commit, Hangup: hangup})
		},
	}
	server.AddFlags(cmd.Flags(), server.DefaultConfig())
	return cmd
}

// loadConfig loads the server's configuration and warns about what looks like a
// setting and is none.
func loadConfig(cmd *cobra.Command, defaults server.Config) (server.Config, error) {
	config, strays, err := server.LoadConfig(cmd.Flags(), defaults)
	for _, name := range strays {
		cmd.PrintErrf("plimsoll: environment variable %s is no setting and is ignored\n", name)
	}
	return config, err
}
