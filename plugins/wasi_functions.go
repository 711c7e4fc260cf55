package plugins

import (
	"encoding/binary"
	"fmt"
	"math"
)

// wasiFunctions are the functions of WASI snapshot preview 1, all of them, with the
// types of their parameters. See https://github.com/WebAssembly/WASI, legacy/preview1.
var wasiFunctions = map[string]wasiFunction{
	"args_get":              {"ii", succeed},
	"args_sizes_get":        {"ii", putNoStrings},
	"environ_get":           {"ii", succeed},
	"environ_sizes_get":     {"ii", putNoStrings},
	"clock_res_get":         {"ii", clockResolution},
	"clock_time_get":        {"iIi", clockTime},
	"poll_oneoff":           {"iiii", poll},
	"proc_exit":             {"i", exit},
	"proc_raise":            {"i", noSystem},
	"random_get":            {"ii", random},
	"sched_yield":           {"", succeed},
	"fd_advise":             {"iIIi", noDescriptor},
	"fd_allocate":           {"iII", noDescriptor},
	"fd_close":              {"i", standardOnly},
	"fd_datasync":           {"i", standardOnly},
	"fd_fdstat_get":         {"ii", describe},
	"fd_fdstat_set_flags":   {"ii", standardOnly},
	"fd_fdstat_set_rights":  {"iII", standardOnly},
	"fd_filestat_get":       {"ii", noDescriptor},
	"fd_filestat_set_size":  {"iI", noDescriptor},
	"fd_filestat_set_times": {"iIIi", noDescriptor},
	"fd_pread":              {"iiiIi", noDescriptor},
	"fd_prestat_get":        {"ii", noDescriptor},
	"fd_prestat_dir_name":   {"iii", noDescriptor},
	"fd_pwrite":             {"iiiIi", noDescriptor},
	"fd_read":               {"iiii", readNothing},
	"fd_readdir":            {"iiiIi", noDescriptor},
	"fd_renumber":           {"ii", noDescriptor},
	"fd_seek":               {"iIii", noSeek},
	"fd_sync":               {"i", standardOnly},
	"fd_tell":               {"ii", noSeek},
	"fd_write":              {"iiii", discard},

	"path_create_directory":   {"iii", noDescriptor},
	"path_filestat_get":       {"iiiii", noDescriptor},
	"path_filestat_set_times": {"iiiiIIi", noDescriptor},
	"path_link":               {"iiiiiii", noDescriptor},
	"path_open":               {"iiiiiIIii", noDescriptor},
	"path_readlink":           {"iiiiii", noDescriptor},
	"path_remove_directory":   {"iii", noDescriptor},
	"path_rename":             {"iiiiii", noDescriptor},
	"path_symlink":            {"iiiii", noDescriptor},
	"path_unlink_file":        {"iii", noDescriptor},
	"sock_accept":             {"iii", noDescriptor},
	"sock_recv":               {"iiiiii", noDescriptor},
	"sock_send":               {"iiiii", noDescriptor},
	"sock_shutdown":           {"ii", noDescriptor},
}

const lastStandard = 2 // descriptors 0 to 2 are input, output and errors

func succeed(wasiCall) uint32      { return wasiSuccess }
func noDescriptor(wasiCall) uint32 { return wasiBadf }
func noSystem(wasiCall) uint32     { return wasiNosys }

// standardOnly does nothing to a standard descriptor: they cannot be changed, so
// no call can find them otherwise than the one before.
func standardOnly(c wasiCall) uint32 {
	if c.arg(0) > lastStandard {
		return wasiBadf
	}
	return wasiSuccess
}

func noSeek(c wasiCall) uint32 {
	if c.arg(0) > lastStandard {
		return wasiBadf
	}
	return wasiSpipe
}

// putNoStrings answers how many arguments or variables there are, and their size.
func putNoStrings(c wasiCall) uint32 {
	if errno := c.put32(c.arg(0), 0); errno != wasiSuccess {
		return errno
	}
	return c.put32(c.arg(1), 0)
}

// exit is a fault: a validator answers, it does not leave.
func exit(c wasiCall) uint32 { panic(fmt.Errorf("it exited with code %d", c.arg(0))) }

const clockTick = 1_000 // ns; 1 µs

func clockResolution(c wasiCall) uint32 {
	if c.arg(0) > 3 {
		return wasiInval
	}
	return c.put64(c.arg(1), clockTick)
}

// clockTime reads the clock and moves it on, so that loops that wait end.
func clockTime(c wasiCall) uint32 {
	if c.arg(0) > 3 {
		return wasiInval
	}
	c.world.now += clockTick
	return c.put64(c.arg(2), c.world.now)
}

func random(c wasiCall) uint32 {
	b := c.bytes(c.arg(0), uint64(c.arg(1)))
	if b == nil {
		return wasiFault
	}
	c.charge(uint64(len(b)))
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, c.world.random.Uint64())
		b = b[8:]
	}
	if len(b) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], c.world.random.Uint64())
		copy(b, last[:])
	}
	return wasiSuccess
}

// describe says that the standard descriptors are character devices, which C
// libraries buffer by the line and do not seek in.
func describe(c wasiCall) uint32 {
	if c.arg(0) > lastStandard {
		return wasiBadf
	}
	stat := c.bytes(c.arg(1), 24)
	if stat == nil {
		return wasiFault
	}
	clear(stat)
	const characterDevice, rightRead, rightWrite = 2, 1 << 1, 1 << 6
	stat[0] = characterDevice
	stat[8] = rightWrite
	if c.arg(0) == 0 {
		stat[8] = rightRead
	}
	return wasiSuccess
}

// readNothing finds standard input at its end.
func readNothing(c wasiCall) uint32 {
	if c.arg(0) != 0 {
		return wasiBadf
	}
	return c.put32(c.arg(3), 0)
}

// discard takes what is written to standard output and errors, and forgets it: it
// may be any part of a spec, and does not belong in a log.
func discard(c wasiCall) uint32 {
	if fd := c.arg(0); fd == 0 || fd > lastStandard {
		return wasiBadf
	}
	vectors := c.bytes(c.arg(1), 8*uint64(c.arg(2)))
	if vectors == nil {
		return wasiFault
	}
	c.charge(uint64(len(vectors)))
	var written uint64
	for ; len(vectors) > 0; vectors = vectors[8:] {
		ptr, n := binary.LittleEndian.Uint32(vectors), binary.LittleEndian.Uint32(vectors[4:])
		if c.bytes(ptr, uint64(n)) == nil {
			return wasiFault
		}
		written += uint64(n)
	}
	if written > math.MaxUint32 {
		return wasiInval
	}
	return c.put32(c.arg(3), uint32(written))
}

// poll answers at once. Descriptors are always ready; a clock is, if nothing else
// is, by moving it on to the earliest time that is waited for.
func poll(c wasiCall) uint32 {
	const subscriptionSize, eventSize = 48, 32
	const isClock, isAbsolute = 0, 1
	n := uint64(c.arg(2))
	subscriptions := c.bytes(c.arg(0), n*subscriptionSize)
	events := c.bytes(c.arg(1), n*eventSize)
	if n == 0 {
		return wasiInval
	}
	if subscriptions == nil || events == nil {
		return wasiFault
	}
	c.charge(n * subscriptionSize)

	at := func(i uint64) []byte { return subscriptions[i*subscriptionSize:][:subscriptionSize] }
	due := func(s []byte) uint64 {
		timeout := binary.LittleEndian.Uint64(s[24:])
		if binary.LittleEndian.Uint16(s[40:])&isAbsolute == 0 {
			if timeout > math.MaxUint64-c.world.now {
				return math.MaxUint64
			}
			timeout += c.world.now
		}
		return max(timeout, c.world.now)
	}
	earliest := uint64(math.MaxUint64)
	for i := range n {
		if s := at(i); s[8] == isClock {
			earliest = min(earliest, due(s))
		} else {
			earliest = c.world.now
		}
	}
	count := uint32(0)
	for i := range n {
		s := at(i)
		if s[8] == isClock && due(s) > earliest {
			continue
		}
		// An event may lie over a subscription that is still to be read only if
		// the guest has them overlap, and then it hurts itself alone.
		event := events[uint64(count)*eventSize:][:eventSize]
		userdata, kind := binary.LittleEndian.Uint64(s), s[8]
		clear(event)
		binary.LittleEndian.PutUint64(event, userdata)
		event[10] = kind
		count++
	}
	c.world.now = earliest
	return c.put32(c.arg(3), count)
}
