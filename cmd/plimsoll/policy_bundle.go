package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plimsoll-project/plimsoll/internal/server"
)

// bundleHelp says what the arguments of the commands for bundles are.
const bundleHelp = `
A BUNDLE is a directory, a .tar.gz archive, or an oci:// or https:// URL of one. The
credentials for registries are those of docker login.`

// addBundle adds the flags of the commands that read bundles.
func addBundle(cmd *cobra.Command, b *server.Bundle) {
	flags := cmd.Flags()
	flags.StringSliceVar(&b.Keys, "policy-keys", nil, "PEM `file` with a public key, with one of which the bundle must be signed; repeatable")
	flags.StringVar(&b.Scope, "policy-scope", "", "`scope` that the signature must have")
	flags.BoolVar(&b.PlainHTTP, "policy-plain-http", false, "speak plain HTTP beyond loopback")
	_ = cmd.MarkFlagFilename("policy-keys")
}

func newPolicyPush() *cobra.Command {
	var (
		bundle server.Bundle
		grants []string
	)
	cmd := &cobra.Command{
		Use: "push BUNDLE oci://REGISTRY/REPOSITORY:TAG", Short: "Put policies into an OCI registry", Args: cobra.ExactArgs(2),
		Long: `Put policies into an OCI registry, from where servers and OPA load them. They are
checked first. Prints where they are with the digest, by which a server can be made to
load these and no others. The same policies have the same digest.
` + bundleHelp,
		Example: `  plimsoll policy push ./policies oci://registry.example.org/policies:v1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			bundle.Path = args[0]
			digest, err := bundle.Push(cmd.Context(), grants, args[1])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "pushed %s@%s\n", args[1], digest)
			return err
		},
	}
	addBundle(cmd, &bundle)
	cmd.Flags().StringSliceVar(&grants, "policy-grants", nil, "`PACKAGE=NAMESPACE` whose containers a package may read, as for serve; repeatable")
	return cmd
}

func newPolicyPull() *cobra.Command {
	var (
		bundle server.Bundle
		output string
	)
	cmd := &cobra.Command{
		Use: "pull BUNDLE -o FILE", Short: "Fetch policies into a .tar.gz file", Args: cobra.ExactArgs(1),
		Long: `Fetch policies from a registry or a web server into a .tar.gz file, signature and all.
` + bundleHelp,
		Example: `  plimsoll policy pull oci://registry.example.org/policies:v1 -o policies.tar.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("say where to: -o FILE")
			}
			bundle.Path = args[0]
			info, err := bundle.Pull(cmd.Context(), output)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: written to %s\n", described(info), output)
			return err
		},
	}
	addBundle(cmd, &bundle)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	return cmd
}

func newPolicySign() *cobra.Command {
	var (
		bundle  server.Bundle
		signing server.Signing
		output  string
	)
	cmd := &cobra.Command{
		Use: "sign BUNDLE --key FILE", Short: "Sign policies", Args: cobra.ExactArgs(1),
		Long: `Sign a directory or a .tar.gz archive of policies, as opa sign does: a token in
.signatures.json has the digests of all files. In a directory that file is written, an
archive is replaced by a signed one. Servers with --policy-keys load nothing else. The
key is RSA, ECDSA or Ed25519.`,
		Example: `  openssl genpkey -algorithm ed25519 -out key.pem
  openssl pkey -in key.pem -pubout -out key.pub.pem
  plimsoll policy sign ./policies --key key.pem
  plimsoll serve --policies ./policies --policy-keys key.pub.pem`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if signing.Key == "" {
				return usagef("say what to sign with: --key FILE")
			}
			bundle.Path = args[0]
			written, err := bundle.Sign(signing, output)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "signed: %s\n", written)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&signing.Key, "key", "", "PEM `file` with the private key")
	flags.StringVar(&signing.Algorithm, "algorithm", "", "`algorithm` of the signature, such as PS256 (default: the usual one of the key)")
	flags.StringVar(&signing.Scope, "scope", "", "`scope` that the signature is for")
	flags.StringVar(&signing.KeyID, "key-id", "", "`name` of the key, for OPA")
	flags.StringVarP(&output, "output", "o", "", "`file` to write a signed .tar.gz archive to")
	_ = cmd.MarkFlagFilename("key")
	return cmd
}

func newPolicyVerify() *cobra.Command {
	var bundle server.Bundle
	cmd := &cobra.Command{
		Use: "verify BUNDLE --policy-keys FILE", Short: "Verify the signature of policies", Args: cobra.ExactArgs(1),
		Long: `Verify the signature of policies as a server with these --policy-keys would: every file
must be as it was signed, and none may be missing.
` + bundleHelp,
		Example: `  plimsoll policy verify oci://registry.example.org/policies:v1 --policy-keys key.pub.pem`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(bundle.Keys) == 0 {
				return usagef("say what to verify with: --policy-keys FILE")
			}
			bundle.Path = args[0]
			info, err := bundle.Verify(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the signature is good\n", described(info))
			return err
		},
	}
	addBundle(cmd, &bundle)
	return cmd
}

func described(info server.BundleInfo) string {
	if info.Revision == "" {
		return printable(info.Name)
	}
	return printable(fmt.Sprintf("%s, revision %s", info.Name, info.Revision))
}
