package main

import (
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
the requests in flight. /readyz answers 200 once mutations can be judged and stored.`,
		Example: `  plimsoll serve --data /var/lib/plimsoll
  plimsoll serve --data ./data --policies ./policies --validators ./validators.yaml
  plimsoll serve --listen 0.0.0.0:1876 --tls-cert server.pem --tls-key server.key
  plimsoll serve --socket /run/plimsoll/plimsoll.sock`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, strays, err := server.LoadConfig(cmd.Flags())
			if err != nil {
				return err
			}
			for _, name := range strays {
				cmd.PrintErrf("plimsoll: environment variable %s is no setting and is ignored\n", name)
			}
			return server.Run(cmd.Context(), config, server.Options{Log: cmd.ErrOrStderr()})
		},
	}
	server.AddFlags(cmd.Flags())
	return cmd
}
