// Kata-spec is a Plimsoll validator that reads an OCI runtime spec the way Kata
// Containers does: it refuses what the runtime refuses, and names what becomes something
// else in a virtual machine. README.md has the rules.
//
// judge is the whole of it: a request document in, a verdict document out. abi.go wraps
// it in the exports of Plimsoll's ABI v1, when it is built for WebAssembly.
package main

func main() {} // a library: the exports are called
