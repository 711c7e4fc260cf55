package plugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A wasm module is a header and a list of sections: an id byte, a size, that many
// bytes. This file reads and writes that outermost layer and no more: what is
// inside is internal/wasm's business.

var wasmHeader = []byte("\x00asm\x01\x00\x00\x00")

const customSectionID = 0

// section is one section as it is in the module.
type section struct {
	raw  []byte // with its id and size
	name string // of a custom section
	data []byte // of a custom section, after its name
}

// maxSections is more than any module has that is read later: twelve, and custom ones. A
// list of all sections that fit into a module would take gigabytes.
const maxSections = 1_024

var errNotWasm = errors.New("not a WebAssembly 1.0 binary module")

func splitSections(module []byte) ([]section, error) {
	rest, ok := bytes.CutPrefix(module, wasmHeader)
	if !ok {
		return nil, errNotWasm
	}
	var list []section
	for len(rest) > 0 {
		if len(list) == maxSections {
			return nil, fmt.Errorf("the module has more than %d sections", maxSections)
		}
		body, tail, err := cutSized(rest[1:])
		if err != nil {
			return nil, fmt.Errorf("section %d: %w", len(list), err)
		}
		s := section{raw: rest[:len(rest)-len(tail)]}
		if rest[0] == customSectionID {
			name, data, err := cutSized(body)
			if err != nil {
				return nil, fmt.Errorf("name of custom section %d: %w", len(list), err)
			}
			s.name, s.data = string(name), data
		}
		list = append(list, s)
		rest = tail
	}
	return list, nil
}

// isCustom tells whether s is the custom section of that name.
func (s section) isCustom(name string) bool { return s.raw[0] == customSectionID && s.name == name }

// cutSized takes a size, an unsigned LEB128 number of at most 32 bits, and that
// many bytes off the front of b.
func cutSized(b []byte) (body, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || n > 5 || size > uint64(len(b)-n) {
		return nil, nil, errors.New("its size is more than what is left of the module")
	}
	return b[n : n+int(size)], b[n+int(size):], nil
}

func appendCustomSection(module []byte, name string, data []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(name)))
	body = append(body, name...)
	body = append(body, data...)
	module = append(module, customSectionID)
	module = binary.AppendUvarint(module, uint64(len(body)))
	return append(module, body...)
}
