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
	bytes int64 // unpacked and decoded, of all pages
	zstd  *zstd.Decoder
}

var errPage = errors.New("a page contradicts its header")

// check walks over the pages of all columns, each of which holds at most one value a row.
func (p *pages) check(f *parquet.File) error {
	columns, groups := f.Root().Columns(), f.Metadata().RowGroups
	for _, g := range groups {
		if len(g.Columns) != len(columns) {
			return fmt.Errorf("a group of rows has %d columns, the schema %d", len(g.Columns), len(columns))
		}
		for i, c := range g.Columns {
			err := p.column(c.MetaData, columns[i])
			if first := groups[0].Columns[i].MetaData.Codec; err == nil && c.MetaData.Codec != first {
				// the library unpacks all groups with the codec of the first
				err = fmt.Errorf("it is packed with %s and with %s", first, c.MetaData.Codec)
			}
			if err != nil {
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

// take counts what memory is taken for.
func (p *pages) take(n int64) error {
	if p.bytes += n; p.bytes > MaxBytes {
		return fmt.Errorf("unpacked and decoded the file has more than %d bytes", MaxBytes)
	}
	return nil
}

func (p *pages) column(m format.ColumnMetaData, leaf *parquet.Column) error {
	from := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		from = m.DictionaryPageOffset
	}
	if from < 0 || from > int64(len(p.data)) || m.TotalCompressedSize > int64(len(p.data))-from {
		return errors.New("its pages are not all in the file")
	}
	rest := p.data[from : from+m.TotalCompressedSize]
	found := len(rest) == 0
	for len(rest) > 0 {
		found = found || from+m.TotalCompressedSize-int64(len(rest)) == m.DataPageOffset
		r := new(thrift.CompactProtocol).NewReaderFromBytes(rest)
		var h format.PageHeader
		if err := thrift.NewDecoder(r).Decode(&h); err != nil {
			return fmt.Errorf("header of a page: %w", err)
		}
		rest = rest[r.BytesRead():]
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(rest) || h.UncompressedPageSize < 0 {
			return fmt.Errorf("a page of %d bytes, unpacked %d, in %d", h.CompressedPageSize, h.UncompressedPageSize, len(rest))
		}
		if err := p.take(int64(h.UncompressedPageSize)); err != nil {
			return err
		}
		if err := p.page(h, m, rest[:h.CompressedPageSize], leaf); err != nil {
			return err
		}
		rest = rest[h.CompressedPageSize:]
	}
	if !found { // where the library begins to read
		return fmt.Errorf("no page is at %d, where its data begin", m.DataPageOffset)
	}
	return nil
}

// content is a page without its header: its values, and the levels that say which are null, each in one run or more.
type content struct {
	encoding format.Encoding
	text     []byte
	values   int64 // with those that are null
	nulls    int64 // of these, by the header; -1 if it does not say
	optional bool
	levels   []byte
}

// page is a page without its header: the runs of levels, which say where a value is null, and the values. In the second
// version the levels are before what is packed.
func (p *pages) page(h format.PageHeader, m format.ColumnMetaData, body []byte, leaf *parquet.Column) error {
	size := int(h.UncompressedPageSize)
	c := content{optional: leaf.Optional()}
	switch {
	case h.DictionaryPageHeader.Valid != (h.Type == format.DictionaryPage) || h.DataPageHeader.Valid != (h.Type == format.DataPage) || h.DataPageHeaderV2.Valid != (h.Type == format.DataPageV2):
		return errPage // it would be looked at as one kind of page, and read as another
	case h.DictionaryPageHeader.Valid:
		v := h.DictionaryPageHeader.V
		if v.NumValues < 0 || int(v.NumValues) > size { // none is shorter than a byte
			return fmt.Errorf("a dictionary of %d values in %d bytes", v.NumValues, size)
		}
		if v.Encoding != format.Plain && v.Encoding != format.PlainDictionary { //nolint:staticcheck // as below
			return fmt.Errorf("a dictionary encoded as %s, want PLAIN", v.Encoding)
		}
		_, err := p.unpack(m.Codec, body, size)
		return err
	case h.DataPageHeader.Valid:
		v := h.DataPageHeader.V
		text, err := p.unpack(m.Codec, body, size)
		if err != nil {
			return err
		}
		if c.optional {
			c.levels, text, err = sized(text)
			if err != nil || v.DefinitionLevelEncoding != format.RLE || !runs(c.levels, 1, int(v.NumValues)) {
				return errPage
			}
		}
		c.encoding, c.text, c.values, c.nulls = v.Encoding, text, int64(v.NumValues), -1
		return p.values(c, m, leaf)
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
		c.encoding, c.text, c.values, c.nulls, c.levels = v.Encoding, text, int64(v.NumValues), int64(v.NumNulls), body[:levels]
		return p.values(c, m, leaf)
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

// values looks at encodings that say how many values there are.
func (p *pages) values(c content, m format.ColumnMetaData, leaf *parquet.Column) error {
	if c.values < 0 || c.values > m.NumValues {
		return fmt.Errorf("a page of %d values in a column of %d", c.values, m.NumValues)
	}
	switch c.encoding {
	case format.Plain, format.ByteStreamSplit:
		return nil
	case format.PlainDictionary, format.RLEDictionary: //nolint:staticcheck // files of the first version of the format have it
		if len(c.text) > 0 && !runs(c.text[1:], uint(c.text[0]), int(c.values)) {
			return errPage
		}
		return nil
	case format.RLE:
		head, _, err := sized(c.text)
		if err != nil || !runs(head, 1, int(c.values)) {
			return errPage
		}
		return nil
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray, format.DeltaByteArray:
		return p.delta(c, leaf.Type())
	}
	return fmt.Errorf("it is encoded as %s, which is not read; write the file with PLAIN, DELTA_* or dictionaries", c.encoding)
}

// fill is how many numbers DuckDB writes in groups of eight at the end, however few of them are needed.
const fill = 256

// runs says whether runs of numbers of so many bits hold no more than n of them, but for what fills the last groups.
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
		count, size, most := head>>1, (uint64(bits)+7)/8, uint64(n)+7
		if head&1 != 0 {
			if count > uint64(n)/8+fill/8 {
				return false
			}
			size, count, most = count*uint64(bits), 8*count, uint64(n)+fill-1
		}
		if have += count; have < count || have > most || size > uint64(len(text)-used) {
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
