// Package sink sends the events of the decision log on: to a stream, to files that are
// rotated, to an HTTP server.
//
// A [Courier] follows the log from the place that it has kept, and hands its sink one
// batch of events after the other. A batch that fails is tried again, ever less often, until
// it is taken: what is sent on may arrive more than once, and is missing only if it was
// trimmed from the log before, or is too large for who receives it; both are counted and
// logged. A courier holds one batch and a few events in memory, however far it is behind,
// and nobody waits for it.
//
// It does not know what an event is: that says its [Source].
package sink
