package wasm

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// cursor reads a module from front to back. The first fault stays in err; from then
// on every read returns zero and moves nothing, so that a run of reads may be
// checked once, before anything is done with what they returned. Loops must check
// on every round.
type cursor struct {
	module []byte // the whole module, so that offsets are those people see
	pos    int
	end    int // reads stop here: the end of the current section or function
	err    error
	used   map[string]uint64 // the most that was asked for, by cap; nil if nobody wants to know
}

func (c *cursor) left() int { return c.end - c.pos }

// fail records a fault at the offset, unless there is one already.
func (c *cursor) fail(offset int, format string, args ...any) {
	if c.err == nil {
		c.err = &FormatError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
}

// limit records a fault unless value is within limit.
func (c *cursor) limit(name string, value, limit uint64) {
	if c.used != nil && value > c.used[name] {
		c.used[name] = value
	}
	if value > limit && c.err == nil {
		c.err = &LimitError{Cap: name, Value: value, Limit: limit, Offset: c.pos}
	}
}

func (c *cursor) byte() byte {
	if c.err != nil {
		return 0
	}
	if c.pos >= c.end {
		c.fail(c.pos, "unexpected end")
		return 0
	}
	b := c.module[c.pos]
	c.pos++
	return b
}

// bytes returns the next n bytes, which alias the module.
func (c *cursor) bytes(n uint32) []byte {
	if c.err != nil {
		return nil
	}
	if uint64(n) > uint64(c.left()) {
		c.fail(c.pos, "%d bytes are announced, %d are left", n, c.left())
		return nil
	}
	b := c.module[c.pos : c.pos+int(n) : c.pos+int(n)]
	c.pos += int(n)
	return b
}

// u32 reads an unsigned LEB128 number of at most 32 bits: at most 5 bytes, padding
// allowed (linkers write it), unused bits zero.
// See https://www.w3.org/TR/wasm-core-2/#integers④.
func (c *cursor) u32() uint32 {
	start := c.pos
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := c.byte()
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail(start, "an unsigned integer is longer than 32 bits")
	return 0
}

// signed reads a signed LEB128 number of at most the given bits, padding allowed,
// unused bits equal to the sign.
func (c *cursor) signed(bits int) int64 {
	start := c.pos
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := c.byte()
		if c.err != nil {
			return 0
		}
		v |= int64(b&0x7f) << shift
		if rest := bits - shift; rest < 7 {
			// The bits above the last one that counts must repeat it.
			sign := int8(b<<1) >> rest // arithmetic shift keeps bits rest-1 and up
			if b >= 0x80 || (sign != 0 && sign != -1) {
				break
			}
		}
		if b < 0x80 {
			if shift+7 < 64 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	c.fail(start, "a signed integer is longer than %d bits", bits)
	return 0
}

// count reads the length of a vector whose elements take at least one byte each.
func (c *cursor) count(name string, limit uint32) uint32 {
	start := c.pos
	n := c.u32()
	if c.err != nil {
		return 0
	}
	c.limit(name, uint64(n), uint64(limit))
	if uint64(n) > uint64(c.left()) {
		c.fail(start, "%d elements are announced, %d bytes are left", n, c.left())
	}
	if c.err != nil {
		return 0
	}
	return n
}

// index reads an index into a space of n things.
func (c *cursor) index(what string, n int) uint32 {
	start := c.pos
	i := c.u32()
	if c.err == nil && uint64(i) >= uint64(n) {
		c.fail(start, "%s %d does not exist, there are %d", what, i, n)
		return 0
	}
	return i
}

// name reads a UTF-8 string.
func (c *cursor) name(limit uint32) string {
	start := c.pos
	b := c.bytes(c.count("NameBytes", limit))
	if !utf8.Valid(b) {
		c.fail(start, "a name is not UTF-8")
		return ""
	}
	return string(b)
}

func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

func appendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && low&0x40 == 0) || (v == -1 && low&0x40 != 0) {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
