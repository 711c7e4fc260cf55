package abi

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Kind is one of the contracts that a validator may fulfil. In JSON the native one is
// the number of its version, 1, and the others are their names.
type Kind int

// The kinds. Numbers below these are versions of the native contract.
const (
	// Native is the contract that this page describes, in its version 1.
	Native Kind = Version
	// WASICommand is a program that reads a request from its standard input and writes
	// a verdict to its standard output.
	WASICommand Kind = 1<<16 + iota
	// Extism is a module made with one of Extism's kits for plug-ins.
	Extism
	// OPA is a Rego policy compiled by opa build -t wasm.
	OPA
)

var kindNames = map[Kind]string{WASICommand: "wasi-command", Extism: "extism", OPA: "opa"}

// String is the name of the kind as people know it, "native" for the native one.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	if k == Native {
		return "native"
	}
	return strconv.Itoa(int(k))
}

// Known tells whether this Plimsoll speaks it.
func (k Kind) Known() bool { return k == Native || kindNames[k] != "" }

// MarshalJSON implements json.Marshaler.
func (k Kind) MarshalJSON() ([]byte, error) {
	if name, ok := kindNames[k]; ok {
		return json.Marshal(name)
	}
	return json.Marshal(int(k))
}

// UnmarshalJSON implements json.Unmarshaler. A number may be any version of the native
// contract; see Known.
func (k *Kind) UnmarshalJSON(raw []byte) error {
	var version uint16
	if json.Unmarshal(raw, &version) == nil {
		*k = Kind(version)
		return nil
	}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		for kind, known := range kindNames {
			if name == known {
				*k = kind
				return nil
			}
		}
	}
	return fmt.Errorf("%s is not an ABI; it is one of 1, %q, %q and %q", raw, WASICommand, Extism, OPA)
}
