// Package examples embeds the policies and the validator that Plimsoll uses when it
// is told of no others, and sample containers, so that one binary is enough to start with. They are
// examples too: read them, copy them, change them.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed policies
var policies embed.FS

//go:embed scaffold
var scaffold embed.FS

//go:embed all:validator-scaffold
var validatorScaffold embed.FS

//go:embed validators/validators.yaml validators/runc-spec/runc-spec.wasm
var validators embed.FS

// SampleContainers are ordinary containers that the starter rules admit: YAML
// documents with the fields of containerd.v1.Container.
//
//go:embed containers/samples.yaml
var SampleContainers []byte

// OrdinaryContainer is what an ordinary container has beside its id, image and labels, in
// YAML: a runtime and a spec that the starter rules admit.
//
//go:embed containers/ordinary.yaml
var OrdinaryContainer []byte

// ValidatorsFile is the name of the configuration in [Validators].
const ValidatorsFile = "validators.yaml"

// Policies are the starter policies.
func Policies() fs.FS { return sub(policies, "policies") }

// Scaffold has a directory for each kind of policy that people begin with: a policy, its
// tests, its cases and its data, with NAME where the name of its package is to be.
func Scaffold() fs.FS { return sub(scaffold, "scaffold") }

// ValidatorScaffold has a directory for each language that people write validators in, with
// what is particular to it, and one called common with the rest. Where the validator's name
// is to be there is NAME, and a name that ends in .tmpl is to end without it.
func ValidatorScaffold() fs.FS { return sub(validatorScaffold, "validator-scaffold") }

// Validators are the starter validators and their configuration.
func Validators() fs.FS { return sub(validators, "validators") }

func sub(parent fs.FS, dir string) fs.FS {
	fsys, err := fs.Sub(parent, dir)
	if err != nil {
		panic(err) // the directories are embedded above
	}
	return fsys
}
