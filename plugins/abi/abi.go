package abi

import "fmt"

// Version is the version of the contract, the 1 in [ExportMarker].
const Version = 1

// The names that a validator exports.
const (
	ExportMarker           = "plimsoll_abi_1"
	ExportMemory           = "memory"
	ExportAlloc            = "plimsoll_alloc"
	ExportValidate         = "plimsoll_validate"
	ExportValidateSettings = "plimsoll_validate_settings"
	ExportInitialize       = "_initialize"
	// ExportMalloc and ExportRealloc are what many toolchains export anyway. They
	// are used, in this order, when there is no ExportAlloc.
	ExportMalloc  = "malloc"
	ExportRealloc = "cabi_realloc"
)

// MarkerPrefix is what the markers of all versions begin with.
const MarkerPrefix = "plimsoll_abi_"

// MetadataSection is the name of the custom section that says what a module is.
const MetadataSection = "plimsoll.validator"

// Pack returns the result of a validate function: where in memory its output is.
func Pack(ptr, length uint32) uint64 { return uint64(ptr)<<32 | uint64(length) }

// Unpack is the opposite of Pack.
func Unpack(result uint64) (ptr, length uint32) { return uint32(result >> 32), uint32(result) }

// Output returns the range of memory that the result of a validate function names,
// without copying it. It is an error if there is none, if it is longer than limit
// bytes or if it is not inside memory.
func Output(memory []byte, result uint64, limit uint32) ([]byte, error) {
	ptr, length := Unpack(result)
	switch end := uint64(ptr) + uint64(length); {
	case result == 0:
		return nil, fmt.Errorf("it returned 0 instead of a verdict; an empty list of violations is %s", `{"violations":[]}`)
	case length == 0:
		return nil, fmt.Errorf("it returned an empty verdict; an empty list of violations is %s", `{"violations":[]}`)
	case length > limit:
		return nil, fmt.Errorf("its verdict has %d bytes, more than the limit of %d", length, limit)
	case end > uint64(len(memory)):
		return nil, fmt.Errorf("its verdict at %d to %d is outside its memory of %d bytes", ptr, end, len(memory))
	default:
		return memory[ptr:end], nil
	}
}
