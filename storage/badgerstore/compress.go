package badgerstore

import (
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
)

// dictionary1 is an OCI spec as containerd writes it for a web server, with its default
// seccomp profile. What a payload shares with it is not stored. It must never change:
// another dictionary is another Compression.
//
//go:embed dictionary/1.json
var dictionary1 []byte

// dictionary1ID is in each compressed payload, which cannot be read with another.
const dictionary1ID = 1

// minCompressBytes is the size below which there is nothing to gain.
const minCompressBytes = 64

// maxPayloadBytes bounds payloads before they are compressed. More, when they are read,
// is damage.
const maxPayloadBytes = 64 << 20

// The coder's options are constants, so it either always works or never: the first
// test would show it.
var coder = sync.OnceValue(func() (c struct {
	*zstd.Encoder
	*zstd.Decoder
},
) {
	var err, err2 error
	c.Encoder, err = zstd.NewWriter(nil, zstd.WithEncoderDictRaw(dictionary1ID, dictionary1),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false)) // records have a checksum
	c.Decoder, err2 = zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionary1ID, dictionary1),
		zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPayloadBytes))
	if err = errors.Join(err, err2); err != nil {
		panic(err)
	}
	return c
})

// compress returns plain as it is to be stored, and how that is compressed.
func compress(plain []byte) ([]byte, storagev1.Compression) {
	if len(plain) >= minCompressBytes {
		if small := coder().EncodeAll(plain, nil); len(small) < len(plain) {
			return small, storagev1.Compression_COMPRESSION_ZSTD_DICTIONARY_1
		}
	}
	return plain, storagev1.Compression_COMPRESSION_UNSPECIFIED
}

// decompress is the reverse of compress. size is that of the result.
func decompress(stored []byte, compression storagev1.Compression, size uint64) ([]byte, error) {
	plain := stored
	switch compression {
	case storagev1.Compression_COMPRESSION_UNSPECIFIED:
	case storagev1.Compression_COMPRESSION_ZSTD_DICTIONARY_1:
		if size > maxPayloadBytes {
			return nil, fmt.Errorf("payloads of %d bytes are more than there can be", size)
		}
		var err error
		if plain, err = coder().DecodeAll(stored, make([]byte, 0, size)); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("compression %d is unknown", compression)
	}
	if uint64(len(plain)) != size {
		return nil, fmt.Errorf("payloads have %d bytes, and should have %d", len(plain), size)
	}
	return plain, nil
}
