package server

import (
	"os"
	"runtime"
)

// syncing is how many system calls that sync the disk may be under way at a time: one of
// the write-ahead log, and one of a table that is flushed.
const syncing = 2

// makeRoomForSyncs lets more goroutines run at once than there are CPUs. A goroutine in a
// system call counts as running until the scheduler notices, which may take as long as
// the sync itself: on two CPUs half of the machine would be idle meanwhile. GOMAXPROCS in
// the environment is the operator's word and stays. The caller calls undo when done.
func makeRoomForSyncs() (undo func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + syncing)
	return func() { runtime.GOMAXPROCS(before) }
}
