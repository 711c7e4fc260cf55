// Package js makes validators of scripts in JavaScript. The engine is QuickJS, built by
// engine/build.sh to a module that evaluates the script when it is initialized, and calls its
// function validate with each request. So nothing but a script is needed to write one.
package js

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
)

//go:embed engine/engine.wasm
var engine []byte

// MaxScript is the size of the largest script, in bytes.
const MaxScript = 256<<10 - 1

// scriptExport is the global that has the address of the script.
const scriptExport = "script"

// Sections of a module.
const (
	globalSection = 6
	exportSection = 7
	dataSection   = 11
)

// Module returns a validator that runs a script, which must have a function validate. It
// takes a request and returns a verdict: see package abi. Whether the script is right
// shows when the module is initialized.
func Module(script []byte) ([]byte, error) {
	switch {
	case len(script) > MaxScript:
		return nil, fmt.Errorf("the script has %d bytes, more than %d", len(script), MaxScript)
	case bytes.IndexByte(script, 0) >= 0:
		return nil, errors.New("the script has a zero byte")
	}
	const header = 8 // magic and version
	address := scriptAddress(engine[header:])
	module := bytes.Clone(engine[:header])
	for rest := engine[header:]; len(rest) > 0; {
		id, body, tail := cutSection(rest)
		if id == dataSection {
			module = append(module, id)
			module = appendSized(module, addSegment(body, address, script))
		} else {
			module = append(module, rest[:len(rest)-len(tail)]...)
		}
		rest = tail
	}
	return module, nil
}

// The engine is what build.sh built, and the tests link scripts to it, so what follows
// reads it without doubts.

func cutSection(sections []byte) (id byte, body, rest []byte) {
	size, n := binary.Uvarint(sections[1:])
	body = sections[1+n:]
	return sections[0], body[:size], body[size:]
}

// section returns the body of a section, after the number of its members.
func section(sections []byte, wanted byte) []byte {
	for len(sections) > 0 {
		id, body, rest := cutSection(sections)
		if id == wanted {
			_, members := cutNumber(body)
			return members
		}
		sections = rest
	}
	panic(fmt.Sprintf("the engine has no section %d", wanted))
}

func cutNumber(b []byte) (uint64, []byte) {
	value, n := binary.Uvarint(b)
	return value, b[n:]
}

// scriptAddress returns where in memory the engine looks for the script, as the operand of
// an i32.const.
func scriptAddress(sections []byte) []byte {
	index := scriptGlobal(section(sections, exportSection))
	globals := section(sections, globalSection)
	for {
		// A type and whether it is mutable, i32.const, its operand, end.
		operand := globals[3:]
		n := lengthOf(operand)
		if index == 0 {
			return operand[:n]
		}
		index, globals = index-1, operand[n+1:]
	}
}

// lengthOf returns the length of the LEB128 number at the front of b.
func lengthOf(b []byte) int {
	n := 1
	for b[n-1]&0x80 != 0 {
		n++
	}
	return n
}

// scriptGlobal finds the index of the global that has the address of the script.
func scriptGlobal(exports []byte) uint64 {
	for {
		size, rest := cutNumber(exports)
		name := string(rest[:size])
		index, after := cutNumber(rest[size+1:]) // after the kind
		if name == scriptExport {
			return index
		}
		exports = after
	}
}

// addSegment adds a segment at an address to the body of a data section.
func addSegment(data, address, content []byte) []byte {
	const active, i32Const, end = 0x00, 0x41, 0x0b
	count, segments := cutNumber(data)
	body := binary.AppendUvarint(nil, count+1)
	body = append(body, segments...)
	body = append(body, active, i32Const)
	body = append(body, address...)
	body = append(body, end)
	return appendSized(body, content)
}

func appendSized(to, content []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(content)))
	return append(to, content...)
}
