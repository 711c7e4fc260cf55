//go:build wasip1

package main

import "unsafe"

// Globals, so that the garbage collector leaves alone what the host has the address of.
var in, out []byte

// Every call starts from the memory that this leaves behind: with a heap that has grown,
// which is most of the work of a first call.
func init() {
	judge([]byte(`{"operation":"CREATE","object":{"spec":{"annotations":{"a":"b"},"linux":{"devices":[{}]}}},"settings":{}}`))
}

//go:wasmexport plimsoll_abi_1
func marker() {}

//go:wasmexport plimsoll_alloc
func alloc(n uint32) uint32 {
	in = make([]byte, max(n, 1)) // an empty one has no address
	return address(in)
}

//go:wasmexport plimsoll_validate
func validate(_, n uint32) uint64 { return give(judge(in[:n])) }

//go:wasmexport plimsoll_validate_settings
func validateSettings(_, n uint32) uint64 { return give(judgeSettings(in[:n])) }

func give(verdict []byte) uint64 {
	out = verdict
	return uint64(address(out))<<32 | uint64(len(out))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
