package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

// moduleHelp says what the arguments of the commands for modules are.
const moduleHelp = `
A MODULE is a .wasm file, with its signature in a .minisig file beside it, or an oci:// URL.
The credentials for registries are those of docker login.`

// addModule adds the flags of the commands that read modules.
func addModule(cmd *cobra.Command, m *server.Module) {
	flags := cmd.Flags()
	flags.StringSliceVar(&m.Keys, "validator-keys", nil, "`file` with a public key of minisign, with one of which the module must be signed; repeatable")
	flags.BoolVar(&m.PlainHTTP, "plain-http", false, "speak plain HTTP beyond loopback")
	_ = cmd.MarkFlagFilename("validator-keys")
}

func newPluginPush() *cobra.Command {
	var module server.Module
	cmd := &cobra.Command{
		Use: "push MODULE oci://REGISTRY/REPOSITORY:TAG", Short: "Put a validator into an OCI registry", Args: cobra.ExactArgs(2),
		Long: `Put a validator into an OCI registry, with its signature if it has one, from where servers
load it. Prints where it is with the digest of that, and the digest of the module: a
binding names either, so that a server loads this module and no other. The same module and
signature have the same digest. A module that no server would load is not pushed.
` + moduleHelp,
		Example: `  plimsoll plugin push mounts.wasm oci://registry.example.org/mounts:v1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			module.Path = args[0]
			digest, info, err := module.Push(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "pushed %s@%s\nsha256: %s\n", args[1], digest, info.SHA256)
			return err
		},
	}
	addModule(cmd, &module)
	return cmd
}

func newPluginPull() *cobra.Command {
	var (
		module server.Module
		output string
	)
	cmd := &cobra.Command{
		Use: "pull MODULE -o FILE", Short: "Fetch a validator into a .wasm file", Args: cobra.ExactArgs(1),
		Long: `Fetch a validator from a registry into a .wasm file, and its signature, if it has one, into
a .minisig file beside it.
` + moduleHelp,
		Example: `  plimsoll plugin pull oci://registry.example.org/mounts:v1 -o mounts.wasm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("say where to: -o FILE")
			}
			module.Path = args[0]
			info, err := module.Pull(cmd.Context(), output)
			if err != nil {
				return err
			}
			signed := ""
			if info.Signed {
				signed = " and its signature beside it"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: written to %s%s\nsha256: %s\n", printable(info.Name), output, signed, info.SHA256)
			return err
		},
	}
	addModule(cmd, &module)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	return cmd
}

func newPluginSign() *cobra.Command {
	var (
		module  server.Module
		signing server.ModuleSigning
		output  string
	)
	cmd := &cobra.Command{
		Use: "sign MODULE --key FILE", Short: "Sign a validator", Args: cobra.ExactArgs(1),
		Long: `Sign a .wasm file, as minisign does: the signature is written into a .minisig file beside
it. Servers with --validator-keys load nothing else. Keys are minisign's; minisign -G makes
a pair of them.`,
		Example: `  minisign -G -s minisign.key -p minisign.pub
  plimsoll plugin sign mounts.wasm --key minisign.key --password-file password
  plimsoll serve --validators validators.yaml --validator-keys minisign.pub`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if signing.Key == "" {
				return usagef("say what to sign with: --key FILE")
			}
			module.Path = args[0]
			written, err := module.Sign(cmd.Context(), signing, output)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "signed: %s\n", written)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&signing.Key, "key", "", "`file` with the secret key")
	flags.StringVar(&signing.Password, "password-file", "", "`file` with the password of the key, if it is encrypted; /dev/stdin to pipe it in")
	flags.StringVar(&signing.Comment, "comment", "", "trusted `comment`: what is signed along with it, and shown by servers (default: the time and the file's name)")
	flags.StringVarP(&output, "output", "o", "", "`file` to write the signature to")
	_ = cmd.MarkFlagFilename("key")
	_ = cmd.MarkFlagFilename("password-file")
	return cmd
}

func newPluginVerify() *cobra.Command {
	var module server.Module
	cmd := &cobra.Command{
		Use: "verify MODULE --validator-keys FILE", Short: "Verify the signature of a validator", Args: cobra.ExactArgs(1),
		Long: `Verify the signature of a validator as a server with these --validator-keys would, and show
its trusted comment.
` + moduleHelp,
		Example: `  plimsoll plugin verify oci://registry.example.org/mounts:v1 --validator-keys minisign.pub`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(module.Keys) == 0 {
				return usagef("say what to verify with: --validator-keys FILE")
			}
			module.Path = args[0]
			info, err := module.Verify(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the signature is good\nkey: %s\ntrusted comment: %s\n", printable(info.Name), info.KeyID, printable(info.Comment))
			return err
		},
	}
	addModule(cmd, &module)
	return cmd
}
