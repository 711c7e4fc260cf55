package policy

import "time"

// idle is where goroutines whose stacks have grown wait for more to do.
var idle = make(chan func())

// idleTime is how long they wait.
const idleTime = time.Second

// onGrownStack runs f on a goroutine that has run such functions before, if there is
// one that is idle, and returns when f has. f must not panic.
//
// Evaluation recurses deeply, and a stack grows by being copied. Every request comes
// on a new goroutine with a small stack, so that it would grow anew for each.
func onGrownStack(f func()) {
	done := make(chan struct{})
	work := func() {
		defer close(done)
		f()
	}
	select {
	case idle <- work:
	default:
		go func() {
			for work := work; work != nil; {
				work()
				select {
				case work = <-idle:
				case <-time.After(idleTime):
					work = nil
				}
			}
		}()
	}
	<-done
}
