package tabular

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// footer looks at what the last bytes of a file say of themselves, before as much memory is taken as they say: the last eight
// are a length and a magic number, and before them lies a struct of that length with lists, which the library makes room for
// by the number of items that they claim. https://parquet.apache.org/docs/file-format/
func footer(data []byte) error {
	if len(data) < 12 {
		return errors.New("the file is cut off")
	}
	end := len(data) - 8
	n := binary.LittleEndian.Uint32(data[end:])
	if int64(n) > int64(end-4) {
		return fmt.Errorf("a footer of %d bytes in a file of %d", n, len(data))
	}
	if string(data[end+4:]) != "PAR1" {
		return nil // encrypted, or no Parquet file: the library says what
	}
	w := walk{text: data[end-int(n) : end]}
	if err := w.value(thrift.STRUCT); err != nil {
		return fmt.Errorf("the footer: %w", err)
	}
	return nil
}

// walk passes over what is written in Thrift's compact protocol, and adds up what its lists take when they are read.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
type walk struct {
	text  []byte
	bytes int64
	depth int
}

// maxDepth is far beyond the depth of a footer, so that what is nested more is an error and not a full stack.
const maxDepth = 32

var errCut = errors.New("it is cut off, or contradicts itself")

// structure passes over the fields of a struct and their end.
func (w *walk) structure() error {
	for {
		head, err := w.skip(1)
		if err != nil {
			return err
		}
		kind := thrift.Type(head[0] & 15)
		switch {
		case kind == thrift.STOP:
			return nil
		case head[0]>>4 == 0: // the number of the field comes by itself
			if _, err = w.number(); err != nil {
				return err
			}
		}
		if kind == thrift.TRUE || kind == thrift.FALSE {
			continue // the value is in the type
		}
		if err := w.value(kind); err != nil {
			return err
		}
	}
}

// value passes over a value, which as an item of a list may be true or false, too.
func (w *walk) value(kind thrift.Type) (err error) {
	switch kind {
	case thrift.TRUE, thrift.FALSE, thrift.I8:
		_, err = w.skip(1)
	case thrift.I16, thrift.I32, thrift.I64:
		_, err = w.number()
	case thrift.DOUBLE:
		_, err = w.skip(8)
	case thrift.UUID:
		_, err = w.skip(16)
	case thrift.BINARY:
		var n uint64
		if n, err = w.number(); err == nil {
			_, err = w.skip(n)
		}
	case thrift.LIST, thrift.SET:
		err = w.nested(w.list)
	case thrift.STRUCT:
		err = w.nested(w.structure)
	default: // maps are in no footer
		err = fmt.Errorf("a value of type %d", kind)
	}
	return err
}

func (w *walk) nested(pass func() error) error {
	if w.depth++; w.depth > maxDepth {
		return fmt.Errorf("more than %d structs and lists in one another", maxDepth)
	}
	defer func() { w.depth-- }()
	return pass()
}

// list passes over a list. No item is shorter than a byte, so a number beyond the bytes that are left is a lie.
func (w *walk) list() error {
	head, err := w.skip(1)
	if err != nil {
		return err
	}
	n, kind := uint64(head[0]>>4), thrift.Type(head[0]&15)
	if n == 15 {
		if n, err = w.number(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.text)) {
		return fmt.Errorf("a list of %d items in %d bytes", n, len(w.text))
	}
	if w.bytes += int64(n) * itemSize(kind); w.bytes > MaxBytes {
		return fmt.Errorf("its lists take more than %d bytes", MaxBytes)
	}
	for range n {
		if err := w.value(kind); err != nil {
			return err
		}
	}
	return nil
}

// itemSize is the most that an item takes in memory when the library has read it, without what is in it.
func itemSize(kind thrift.Type) int64 {
	if kind == thrift.STRUCT {
		return int64(max(unsafe.Sizeof(format.ColumnChunk{}), unsafe.Sizeof(format.SchemaElement{}), unsafe.Sizeof(format.RowGroup{})))
	}
	return int64(unsafe.Sizeof(""))
}

func (w *walk) number() (uint64, error) {
	n, used := binary.Uvarint(w.text)
	if used <= 0 {
		return 0, errCut
	}
	w.text = w.text[used:]
	return n, nil
}

func (w *walk) skip(n uint64) ([]byte, error) {
	if n > uint64(len(w.text)) {
		return nil, errCut
	}
	head := w.text[:n]
	w.text = w.text[n:]
	return head, nil
}
