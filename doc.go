// Package plimsoll is the vocabulary of Plimsoll, a containers metadata service
// that nothing unsafe gets into: containers, mutations of them, the verdicts of
// policies and validators, the events that commits leave behind, and the errors
// that every layer agrees on.
//
// It imports the standard library only and does no I/O. Every other package
// speaks in its terms, and none of them needs another to be understood:
//
//	service   receives a [Mutation], asks a [Judge] for a [Verdict], commits
//	policy    is a [Judge] made of Rego rules
//	plugins   is a [Judge] made of WebAssembly validators
//	storage   keeps a [Container] and remembers each change as an [Event]
//
// Values of this package are plain data. They are safe to share between
// goroutines as long as nobody modifies them; Clone gives a private copy.
package plimsoll
