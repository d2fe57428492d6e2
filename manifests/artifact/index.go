package artifact

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// SHA256SUMS.index says where the files of SHA256SUMS lie, so that one of a million is found, read and proven
// without a look at the others. All numbers are big-endian:
//
//	16 bytes         "cairn/index/v1\n\n"
//	8 bytes          n, how many files there are
//	n times 28 bytes of file i, in the order of SHA256SUMS:
//	   8 bytes       where its line begins in SHA256SUMS
//	   8 bytes       its size
//	   8 bytes       where its content begins in its layer
//	   4 bytes       the layer, as the manifest counts them from 0
//	then 32 bytes    of every complete subtree of 16, 32, 64, ... files of the Merkle tree: all of 16 from left to
//	                 right, then all of 32, and so on
//
// SHA256SUMS and its index are the two files that SHA256SUMS does not name. What an index says is believed only as far
// as it leads to the root.
const (
	indexMagic  = "cairn/index/v1\n\n"
	indexHeader = int64(len(indexMagic) + 8)
	recordSize  = 28
)

// record is what an index says of a file.
type record struct {
	line    int64
	size    int64
	content int64
	layer   uint32
}

func (r record) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.line))
	b = binary.BigEndian.AppendUint64(b, uint64(r.size))
	b = binary.BigEndian.AppendUint64(b, uint64(r.content))
	return binary.BigEndian.AppendUint32(b, r.layer)
}

func parseRecord(b []byte) (record, error) {
	line, size, content := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	if max(line, size, content) > math.MaxInt64 {
		return record{}, damaged("a number is out of range")
	}
	return record{int64(line), int64(size), int64(content), binary.BigEndian.Uint32(b[24:])}, nil
}

// indexSize is the size of the index of n files.
func indexSize(n uint64) int64 {
	size := indexHeader + recordSize*int64(n)
	for level := keptLevel; n>>level > 0; level++ {
		size += int64(n>>level) * int64(len(Sum{}))
	}
	return size
}

// nodeAt is where the node of a complete subtree lies: the one of 2^level files that begins at file lo.
func nodeAt(n uint64, level int, lo uint64) int64 {
	at := indexHeader + recordSize*int64(n)
	for l := keptLevel; l < level; l++ {
		at += int64(n>>l) * int64(len(Sum{}))
	}
	return at + int64(lo>>level)*int64(len(Sum{}))
}

// parseIndexHeader returns how many files an index is of.
func parseIndexHeader(r io.ReaderAt, size int64) (uint64, error) {
	b := make([]byte, indexHeader)
	if _, err := r.ReadAt(b, 0); err != nil {
		return 0, fmt.Errorf("read index: %w", err)
	}
	n := binary.BigEndian.Uint64(b[len(indexMagic):])
	if string(b[:len(indexMagic)]) != indexMagic {
		return 0, damaged("it does not begin with %q", indexMagic)
	}
	if n > uint64(size)/recordSize || indexSize(n) != size {
		return 0, damaged("%d bytes are not those of %d files", size, n)
	}
	return n, nil
}

// writeIndex writes the index of files that each visits in order.
func writeIndex(w io.Writer, t *tree, each func(func(record) error) error) error {
	b := binary.BigEndian.AppendUint64([]byte(indexMagic), t.n)
	err := each(func(r record) error {
		b = r.append(b)
		_, err := w.Write(b)
		b = b[:0]
		return err
	})
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil { // of no file, the header
		return err
	}
	for _, level := range t.kept {
		for _, node := range level {
			if _, err := w.Write(node[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// DamagedError says what is wrong with an artifact. What it says of its files cannot be relied on.
type DamagedError struct{ What string }

func (e *DamagedError) Error() string { return "artifact is damaged: " + e.What }

func damaged(format string, args ...any) error { return &DamagedError{fmt.Sprintf(format, args...)} }
