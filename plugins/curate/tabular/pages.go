package tabular

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// pages looks at every page of a file before the library does, which takes as much memory as a page says that it needs: what
// is packed must unpack to what its header says, and runs may hold no more values than it does. A few bytes that lie would
// take all memory else, and Go cannot recover from that. https://parquet.apache.org/docs/file-format/data-pages/
type pages struct {
	data  []byte
	bytes int64 // unpacked, of all pages
	zstd  *zstd.Decoder
}

var errPage = errors.New("a page contradicts its header")

// check walks over the pages of all columns, each of which holds at most one value a row.
func (p *pages) check(f *parquet.File) error {
	columns := f.Root().Columns()
	for _, g := range f.Metadata().RowGroups {
		if len(g.Columns) != len(columns) {
			return fmt.Errorf("a group of rows has %d columns, the schema %d", len(g.Columns), len(columns))
		}
		for i, c := range g.Columns {
			if err := p.column(c.MetaData, columns[i].Optional()); err != nil {
				return fmt.Errorf("column %q: %w", columns[i].Name(), err)
			}
		}
	}
	return nil
}

func (p *pages) close() {
	if p.zstd != nil {
		p.zstd.Close()
	}
}

func (p *pages) column(m format.ColumnMetaData, optional bool) error {
	from := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		from = m.DictionaryPageOffset
	}
	if from < 0 || from > int64(len(p.data)) || m.TotalCompressedSize > int64(len(p.data))-from {
		return errors.New("its pages are not all in the file")
	}
	rest := p.data[from : from+m.TotalCompressedSize]
	for len(rest) > 0 {
		r := new(thrift.CompactProtocol).NewReaderFromBytes(rest)
		var h format.PageHeader
		if err := thrift.NewDecoder(r).Decode(&h); err != nil {
			return fmt.Errorf("header of a page: %w", err)
		}
		rest = rest[r.BytesRead():]
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(rest) || h.UncompressedPageSize < 0 {
			return fmt.Errorf("a page of %d bytes, unpacked %d, in %d", h.CompressedPageSize, h.UncompressedPageSize, len(rest))
		}
		if p.bytes += int64(h.UncompressedPageSize); p.bytes > MaxBytes {
			return fmt.Errorf("unpacked the file has more than %d bytes", MaxBytes)
		}
		if err := p.page(h, m, rest[:h.CompressedPageSize], optional); err != nil {
			return err
		}
		rest = rest[h.CompressedPageSize:]
	}
	return nil
}

// page is a page without its header: the runs of levels, which say where a value is null, and the values. In the second
// version the levels are before what is packed.
func (p *pages) page(h format.PageHeader, m format.ColumnMetaData, body []byte, optional bool) error {
	size := int(h.UncompressedPageSize)
	switch {
	case h.DictionaryPageHeader.Valid:
		if n := h.DictionaryPageHeader.V.NumValues; n < 0 || n > maxCells {
			return fmt.Errorf("a dictionary of %d values", n)
		}
		_, err := p.unpack(m.Codec, body, size)
		return err
	case h.DataPageHeader.Valid:
		v := h.DataPageHeader.V
		text, err := p.unpack(m.Codec, body, size)
		if err != nil {
			return err
		}
		if optional {
			levels, values, err := sized(text)
			if err != nil || !runs(levels, 1, int(v.NumValues)) {
				return errPage
			}
			text = values
		}
		return values(v.Encoding, m, text, int64(v.NumValues))
	case h.DataPageHeaderV2.Valid:
		v := h.DataPageHeaderV2.V
		levels := int64(v.RepetitionLevelsByteLength) + int64(v.DefinitionLevelsByteLength)
		if v.RepetitionLevelsByteLength != 0 || v.DefinitionLevelsByteLength < 0 || levels > int64(min(len(body), size)) || !runs(body[:levels], 1, int(v.NumValues)) {
			return errPage
		}
		codec := m.Codec
		if v.IsCompressed.Valid && !v.IsCompressed.V {
			codec = format.Uncompressed
		}
		text, err := p.unpack(codec, body[levels:], size-int(levels))
		if err != nil {
			return err
		}
		return values(v.Encoding, m, text, int64(v.NumValues))
	}
	return nil // an index, which the library passes over
}

// sized cuts off what has its length before it, in four bytes.
func sized(text []byte) (head, rest []byte, err error) {
	if len(text) < 4 || int64(binary.LittleEndian.Uint32(text)) > int64(len(text)-4) {
		return nil, nil, errPage
	}
	end := 4 + int(binary.LittleEndian.Uint32(text))
	return text[4:end], text[end:], nil
}

// values looks at encodings that say how many values there are. The differences of DELTA_* do so in places that only their decoder
// finds.
func values(e format.Encoding, m format.ColumnMetaData, text []byte, n int64) error {
	if n < 0 || n > m.NumValues {
		return fmt.Errorf("a page of %d values in a column of %d", n, m.NumValues)
	}
	switch e {
	case format.Plain, format.ByteStreamSplit:
		return nil
	case format.PlainDictionary, format.RLEDictionary: //nolint:staticcheck // files of the first version of the format have it
		if len(text) > 0 && !runs(text[1:], uint(text[0]), int(n)) {
			return errPage
		}
		return nil
	case format.RLE:
		head, _, err := sized(text)
		if err != nil || !runs(head, 1, int(n)) {
			return errPage
		}
		return nil
	}
	return fmt.Errorf("it is encoded as %s, which is not read; write the file with PLAIN or dictionaries", e)
}

// runs says whether runs of numbers of so many bits hold no more than n of them, but for what fills the last group of eight.
// https://parquet.apache.org/docs/file-format/data-pages/encodings/
func runs(text []byte, bits uint, n int) bool {
	if bits > 32 {
		return false
	}
	for have := uint64(0); len(text) > 0; {
		head, used := binary.Uvarint(text)
		if used <= 0 {
			return false
		}
		count, size := head>>1, (uint64(bits)+7)/8
		if head&1 != 0 {
			if count > uint64(n)/8+1 {
				return false
			}
			size, count = count*uint64(bits), 8*count
		}
		if have += count; have < count || have > uint64(n)+7 || size > uint64(len(text)-used) {
			return false
		}
		text = text[used+int(size):]
	}
	return true
}

// unpack gives what is packed, which must have that size.
func (p *pages) unpack(codec format.CompressionCodec, text []byte, size int) ([]byte, error) {
	switch codec {
	case format.Uncompressed:
		return text, nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(text); err != nil || n != size {
			return nil, errPage
		}
		return snappy.Decode(nil, text)
	case format.Lz4Raw:
		out := make([]byte, size)
		n, err := lz4.UncompressBlock(text, out)
		if err != nil || n != size {
			return nil, errPage
		}
		return out, nil
	case format.Gzip:
		r, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		return whole(r, size)
	case format.Brotli:
		return whole(brotli.NewReader(bytes.NewReader(text)), size)
	case format.Zstd:
		if p.zstd == nil {
			var err error
			if p.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBytes)); err != nil {
				return nil, err
			}
		}
		if err := p.zstd.Reset(bytes.NewReader(text)); err != nil {
			return nil, err
		}
		return whole(p.zstd, size)
	}
	return nil, fmt.Errorf("it is packed with %s, which is not read", codec)
}

// whole reads what has to have that size.
func whole(r io.Reader, size int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err == nil && len(out) != size {
		err = errPage
	}
	return out, err
}
