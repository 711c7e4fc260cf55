package policy

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Each function is run once, has been when the call returns, and may call again.
func TestOnGrownStack(t *testing.T) {
	var runs atomic.Int64
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for range 100 {
				inner, outer := false, false
				onGrownStack(func() {
					runs.Add(1)
					onGrownStack(func() { inner = true })
					outer = true
				})
				if !inner || !outer {
					t.Error("returned before the function has")
				}
			}
		})
	}
	callers.Wait()
	if got := runs.Load(); got != 32*100 {
		t.Errorf("%d runs, want %d", got, 32*100)
	}
}
