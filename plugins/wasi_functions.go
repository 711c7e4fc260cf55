package plugins

import (
	"encoding/binary"
	"math"
)

// wasiFunctions are the functions of WASI snapshot preview 1, all of them, with the
// types of their parameters. See https://github.com/WebAssembly/WASI, legacy/preview1.
var wasiFunctions = map[string]wasiFunction{
	"args_get":              {"ii", argsGet},
	"args_sizes_get":        {"ii", argsSizes},
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
	"fd_read":               {"iiii", read},
	"fd_readdir":            {"iiiIi", noDescriptor},
	"fd_renumber":           {"ii", noDescriptor},
	"fd_seek":               {"iIii", noSeek},
	"fd_sync":               {"i", standardOnly},
	"fd_tell":               {"ii", noSeek},
	"fd_write":              {"iiii", write},

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

func succeed(hostCall) uint32      { return wasiSuccess }
func noDescriptor(hostCall) uint32 { return wasiBadf }
func noSystem(hostCall) uint32     { return wasiNosys }

// standardOnly does nothing to a standard descriptor: they cannot be changed, so
// no call can find them otherwise than the one before.
func standardOnly(c hostCall) uint32 {
	if c.arg(0) > lastStandard {
		return wasiBadf
	}
	return wasiSuccess
}

func noSeek(c hostCall) uint32 {
	if c.arg(0) > lastStandard {
		return wasiBadf
	}
	return wasiSpipe
}

// putNoStrings answers how many arguments or variables there are, and their size.
func putNoStrings(c hostCall) uint32 {
	if errno := c.put32(c.arg(0), 0); errno != wasiSuccess {
		return errno
	}
	return c.put32(c.arg(1), 0)
}

// arguments are those of a WASI command; other validators have none.
func (c hostCall) arguments() []string {
	if c.stdio == nil {
		return nil
	}
	return commandArgs
}

func argsSizes(c hostCall) uint32 {
	size := 0
	for _, arg := range c.arguments() {
		size += len(arg) + 1
	}
	if errno := c.put32(c.arg(0), uint32(len(c.arguments()))); errno != wasiSuccess {
		return errno
	}
	return c.put32(c.arg(1), uint32(size))
}

// argsGet writes the arguments, each ended by a zero, and where each begins.
func argsGet(c hostCall) uint32 {
	at, next := c.arg(0), c.arg(1)
	for _, arg := range c.arguments() {
		text := c.bytes(next, uint64(len(arg))+1)
		if text == nil {
			return wasiFault
		}
		text[copy(text, arg)] = 0
		if errno := c.put32(at, next); errno != wasiSuccess {
			return errno
		}
		at, next = at+4, next+uint32(len(text))
	}
	return wasiSuccess
}

// exit ends the call. Only a WASI command may leave, and only with code 0; a validator
// of another kind answers.
func exit(c hostCall) uint32 { panic(&exitError{c.arg(0)}) }

const clockTick = 1_000 // ns; 1 µs

func clockResolution(c hostCall) uint32 {
	if c.arg(0) > 3 {
		return wasiInval
	}
	return c.put64(c.arg(1), clockTick)
}

// clockTime reads the clock and moves it on, so that loops that wait end.
func clockTime(c hostCall) uint32 {
	if c.arg(0) > 3 {
		return wasiInval
	}
	c.world.now += clockTick
	return c.put64(c.arg(2), c.world.now)
}

func random(c hostCall) uint32 {
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
func describe(c hostCall) uint32 {
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

// read reads the request of a WASI command; for others standard input is at its end.
func read(c hostCall) uint32 {
	if c.arg(0) != 0 {
		return wasiBadf
	}
	return c.transfer(func(b []byte) uint64 {
		if c.stdio == nil {
			return 0
		}
		return c.stdio.read(b)
	})
}

// write keeps what a WASI command writes to standard output, and forgets all else that
// is written to standard output and errors: it may be any part of a spec, and does not
// belong in a log.
func write(c hostCall) uint32 {
	fd := c.arg(0)
	if fd == 0 || fd > lastStandard {
		return wasiBadf
	}
	return c.transfer(func(b []byte) uint64 {
		if c.stdio != nil && fd == 1 {
			c.stdio.write(b)
		} else if c.program.stderr != nil {
			_, _ = c.program.stderr.Write(b) // a guest cannot tell
		}
		return uint64(len(b))
	})
}

// transfer moves data from or to the buffers that arguments 1 and 2 list, until one of
// them is not moved whole, and answers in argument 3 how many bytes were moved.
func (c hostCall) transfer(move func([]byte) uint64) uint32 {
	vectors := c.bytes(c.arg(1), 8*uint64(c.arg(2)))
	if vectors == nil {
		return wasiFault
	}
	c.charge(uint64(len(vectors)))
	var moved uint64
	for ; len(vectors) > 0; vectors = vectors[8:] {
		ptr, n := binary.LittleEndian.Uint32(vectors), binary.LittleEndian.Uint32(vectors[4:])
		buf := c.bytes(ptr, uint64(n))
		if buf == nil {
			return wasiFault
		}
		m := move(buf)
		c.chargeBytes(m)
		moved += m
		if m < uint64(n) {
			break
		}
	}
	if moved > math.MaxUint32 {
		return wasiInval
	}
	return c.put32(c.arg(3), uint32(moved))
}

// poll answers at once. Descriptors are always ready; a clock is, if nothing else
// is, by moving it on to the earliest time that is waited for.
func poll(c hostCall) uint32 {
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
