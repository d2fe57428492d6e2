package tabular

import (
	"encoding/binary"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestDelta: what is read of files of pyarrow is what pyarrow reads of them. testdata/make.py made them.
func TestDelta(t *testing.T) {
	in := plugintest.Files{}
	for _, name := range []string{"delta.csv.gz", "delta1.parquet", "delta2.parquet"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		in[name] = b
	}
	want, err := Read(in, "delta.csv.gz", Format{Header: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"delta1.parquet", "delta2.parquet"} {
		got, err := Read(in, name, Format{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want.Columns, got.Columns); diff != "" || len(got.Rows) != 700 {
			t.Errorf("%s: %d rows, %s", name, len(got.Rows), diff)
		}
		for i, r := range got.Rows {
			if diff := cmp.Diff(want.Rows[i].Cells, r.Cells); diff != "" {
				t.Fatalf("%s: row %d: %s", name, i, diff)
			}
		}
	}
}

// TestDuckDB: another writer fills up what it does not need. testdata/make_duckdb.py made the file.
func TestDuckDB(t *testing.T) {
	data, err := os.ReadFile("testdata/duckdb.parquet")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseParquet(data, "duckdb.parquet", Format{})
	if err != nil || len(got.Rows) != 300 {
		t.Fatalf("%d rows, %v", len(got.Rows), err)
	}
	for i, r := range got.Rows {
		want := []string{strconv.Itoa(i * i), strconv.Itoa(-i), "name " + strconv.Itoa(i)}
		if i%5 == 0 {
			want[1] = ""
		}
		if i%7 == 0 {
			want[2] = ""
		}
		if diff := cmp.Diff(want, r.Cells); diff != "" {
			t.Fatalf("row %d: %s", i, diff)
		}
	}
}

// deltaOf is what stands before the first block.
func deltaOf(block, minis, count uint64, first int64) []byte {
	out := binary.AppendUvarint(nil, block)
	out = binary.AppendUvarint(out, minis)
	return binary.AppendVarint(binary.AppendUvarint(out, count), first)
}

// same is n lengths of the same size, in as few bytes as can be.
func same(n uint64, length int64) []byte {
	out := deltaOf(maxBlock, 1, n, length)
	for left := int64(n) - 1; left > 0; left -= maxBlock {
		out = append(out, 0, 0)
	}
	return out
}

func joined(parts ...[]byte) []byte { return slices.Concat(parts...) }

var deltaCases = map[string]struct {
	encoding format.Encoding
	of       parquet.Type
	n        int64
	text     []byte
	want     string // "" if it is fine
}{
	"no number":                {format.DeltaBinaryPacked, parquet.Int64Type, 0, deltaOf(128, 4, 0, 0), ""},
	"one number":               {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 4, 1, math.MinInt64), ""},
	"widths without use":       {format.DeltaBinaryPacked, parquet.Int32Type, 33, append(deltaOf(128, 4, 33, 7), 1, 0, 99, 99, 99), ""},
	"miniblocks without use":   {format.DeltaBinaryPacked, parquet.Int32Type, 33, append(deltaOf(128, 4, 33, 7), 1, 1, 99, 99, 99, 1, 2, 3, 4), ""},
	"two blocks":               {format.DeltaBinaryPacked, parquet.Int32Type, 130, append(deltaOf(128, 1, 130, 7), 1, 0, 1, 0), ""},
	"all bits":                 {format.DeltaBinaryPacked, parquet.Int64Type, 2, joined(deltaOf(128, 4, 2, 7), []byte{1, 64, 0, 0, 0}, make([]byte, 256)), ""},
	"too many bits":            {format.DeltaBinaryPacked, parquet.Int64Type, 2, joined(deltaOf(128, 4, 2, 7), []byte{1, 65, 0, 0, 0}, make([]byte, 512)), "differences of 65 bits between numbers of 64"},
	"too many for 32 bits":     {format.DeltaBinaryPacked, parquet.Int32Type, 2, joined(deltaOf(128, 4, 2, 7), []byte{1, 33, 0, 0, 0}, make([]byte, 512)), "differences of 33 bits between numbers of 32"},
	"too many for eight bits":  {format.DeltaBinaryPacked, parquet.Int(8).Type(), 2, joined(deltaOf(128, 4, 2, 7), []byte{1, 33, 0, 0, 0}, make([]byte, 512)), "differences of 33 bits between numbers of 32"},
	"nothing":                  {format.DeltaBinaryPacked, parquet.Int64Type, 0, nil, "its header is cut off"},
	"half a header":            {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 4, 1, 0)[:3], "its header is cut off"},
	"no first number":          {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 4, 1, 0)[:4], "its first number is cut off"},
	"a wide first number":      {format.DeltaBinaryPacked, parquet.Int32Type, 1, deltaOf(128, 4, 1, 1<<31), "it begins with 2147483648, which has more than 32 bits"},
	"no block":                 {format.DeltaBinaryPacked, parquet.Int64Type, 2, deltaOf(128, 4, 2, 0), "the head of a block is cut off"},
	"half a block's head":      {format.DeltaBinaryPacked, parquet.Int64Type, 2, append(deltaOf(128, 4, 2, 0), 1, 0, 0, 0), "the head of a block is cut off"},
	"half a miniblock":         {format.DeltaBinaryPacked, parquet.Int64Type, 2, append(deltaOf(128, 4, 2, 0), 1, 1, 0, 0, 0, 1, 2, 3), "a miniblock of 4 bytes, and there are 3"},
	"no second block":          {format.DeltaBinaryPacked, parquet.Int64Type, 130, append(deltaOf(128, 1, 130, 0), 1, 0), "the head of a block is cut off"},
	"blocks of none":           {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(0, 4, 1, 0), "blocks of 0 numbers, want a multiple of 128"},
	"blocks of 64":             {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(64, 2, 1, 0), "blocks of 64 numbers, want a multiple of 128"},
	"huge blocks":              {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(1<<17, 2, 1, 0), "up to 65536"},
	"no miniblock":             {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 0, 1, 0), "0 miniblocks in a block of 128 numbers"},
	"three miniblocks":         {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 3, 1, 0), "3 miniblocks in a block of 128 numbers"},
	"miniblocks of 16":         {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 8, 1, 0), "8 miniblocks in a block of 128 numbers"},
	"more miniblocks than are": {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 1<<40, 1, 0), "1099511627776 miniblocks in a block of 128 numbers"},
	"too few numbers":          {format.DeltaBinaryPacked, parquet.Int64Type, 2, deltaOf(128, 4, 1, 0), "1 numbers, and 2 values of the page are not null"},
	"too many numbers":         {format.DeltaBinaryPacked, parquet.Int64Type, 1, deltaOf(128, 4, math.MaxUint64, 0), "18446744073709551615 numbers, and 1 values of the page are not null"},
	"too much":                 {format.DeltaBinaryPacked, parquet.Int64Type, 1 << 28, same(1<<28, 7), "unpacked and decoded the file has more than 1073741824 bytes"},
	"no numbers":               {format.DeltaBinaryPacked, parquet.ByteArrayType, 1, deltaOf(128, 4, 1, 0), "its values are of type BYTE_ARRAY, which that is not for"},

	"strings":               {format.DeltaLengthByteArray, parquet.ByteArrayType, 3, joined(same(3, 2), []byte("aabbcc")), ""},
	"empty strings":         {format.DeltaLengthByteArray, parquet.ByteArrayType, 300, same(300, 0), ""},
	"strings that are long": {format.DeltaLengthByteArray, parquet.ByteArrayType, 3, joined(same(3, 2), []byte("aabbc")), "values of 6 bytes, and there are 5"},
	"strings and more":      {format.DeltaLengthByteArray, parquet.ByteArrayType, 3, joined(same(3, 2), []byte("aabbccd")), "values of 6 bytes, and there are 7"},
	"a negative length":     {format.DeltaLengthByteArray, parquet.ByteArrayType, 3, joined(deltaOf(128, 4, 3, 4), []byte{9, 0, 0, 0, 0}, []byte("aa")), "a value of -1 bytes"},
	"around the numbers":    {format.DeltaLengthByteArray, parquet.ByteArrayType, 2, joined(deltaOf(128, 4, 2, math.MaxInt32), []byte{2, 0, 0, 0, 0}, []byte("aa")), "a value of -2147483648 bytes"},
	"too many lengths":      {format.DeltaLengthByteArray, parquet.ByteArrayType, 2, joined(same(3, 2), []byte("aabbcc")), "3 numbers, and 2 values"},
	"too long":              {format.DeltaLengthByteArray, parquet.ByteArrayType, 1 << 20, same(1<<20, math.MaxInt32), "and there are 0"},
	"too many":              {format.DeltaLengthByteArray, parquet.ByteArrayType, 1 << 29, same(1<<29, 0), "unpacked and decoded the file has more than 1073741824 bytes"},
	"of fixed length":       {format.DeltaLengthByteArray, parquet.FixedLenByteArrayType(2), 3, joined(same(3, 2), []byte("aabbcc")), "its values are of type FIXED_LEN_BYTE_ARRAY, which that is not for"},

	"shared":                 {format.DeltaByteArray, parquet.ByteArrayType, 3, joined(deltaOf(128, 4, 3, 0), []byte{2, 0, 0, 0, 0}, same(3, 1), []byte("abc")), ""},
	"none shared":            {format.DeltaByteArray, parquet.ByteArrayType, 0, joined(same(0, 0), same(0, 0)), ""},
	"a prefix of nothing":    {format.DeltaByteArray, parquet.ByteArrayType, 1, joined(same(1, 1), same(1, 1), []byte("a")), "a prefix of 1 bytes, and the value before has 0"},
	"a long prefix":          {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(deltaOf(128, 4, 2, 0), []byte{4, 0, 0, 0, 0}, same(2, 1), []byte("ab")), "a prefix of 2 bytes, and the value before has 1"},
	"a negative prefix":      {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(same(2, -1), same(2, 1), []byte("ab")), "a value with a prefix of -1 bytes and a suffix of 1"},
	"a negative suffix":      {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(same(2, 0), same(2, -1), []byte("ab")), "a value with a prefix of 0 bytes and a suffix of -1"},
	"prefixes of others":     {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(same(3, 0), same(2, 1), []byte("ab")), "prefixes: 3 numbers, and 2 values"},
	"suffixes of others":     {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(same(2, 0), same(3, 1), []byte("abc")), "suffixes: 3 numbers, and 2 values"},
	"suffixes that are long": {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(same(2, 0), same(2, 2), []byte("aab")), "suffixes of 4 bytes, and there are 3"},
	"suffixes and more":      {format.DeltaByteArray, parquet.ByteArrayType, 2, joined(same(2, 0), same(2, 1), []byte("abc")), "suffixes of 2 bytes, and there are 3"},
	"of two bytes":           {format.DeltaByteArray, parquet.FixedLenByteArrayType(2), 2, joined(same(2, 0), same(2, 2), []byte("aabb")), ""},
	"of three bytes":         {format.DeltaByteArray, parquet.FixedLenByteArrayType(2), 2, joined(same(2, 0), same(2, 3), []byte("aaabbb")), "a value of 3 bytes, want 2"},
	"too many of nothing":    {format.DeltaByteArray, parquet.ByteArrayType, 1 << 29, joined(same(1<<29, 0), same(1<<29, 0)), "unpacked and decoded the file has more than 1073741824 bytes"},
	"a bomb":                 {format.DeltaByteArray, parquet.ByteArrayType, 1 << 16, bomb(1<<16, 1<<16), "unpacked and decoded the file has more than 1073741824 bytes"},
	"numbers as strings":     {format.DeltaByteArray, parquet.Int64Type, 1, joined(same(1, 0), same(1, 1), []byte("a")), "its values are of type INT64, which that is not for"},
}

// then is n lengths, of which all but the first are the same.
func then(n uint64, first, rest int32) []byte {
	out := append(deltaOf(maxBlock, maxBlock/32, n, int64(first)), 0, 32)
	out = append(out, make([]byte, maxBlock/32-1)...)
	out = binary.LittleEndian.AppendUint32(out, uint32(rest-first))
	out = append(out, make([]byte, 31*4)...)
	for left := int64(n) - 1 - maxBlock; left > 0; left -= maxBlock {
		out = append(out, make([]byte, 1+maxBlock/32)...)
	}
	return out
}

// bomb is n values of so many bytes, all the same: a page of little more than one of them.
func bomb(n uint64, size int32) []byte {
	return joined(then(n, 0, size), then(n, size, 0), make([]byte, size))
}

func TestDeltaLook(t *testing.T) {
	for name, c := range deltaCases {
		err := new(pages).delta(content{encoding: c.encoding, text: c.text, values: c.n, nulls: -1}, c.of)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "a page encoded as "+c.encoding.String()+": ") || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// TestOnes: differences are only of what is not null.
func TestOnes(t *testing.T) {
	for name, c := range map[string]struct {
		levels  []byte
		n, want int64
	}{
		"nothing":             {nil, 3, 0},
		"a run of ones":       {[]byte{20, 1}, 10, 10},
		"a run of zeros":      {[]byte{20, 0}, 10, 0},
		"a run of something":  {[]byte{20, 3}, 10, 0},
		"more than are there": {[]byte{20, 1}, 7, 7},
		"groups":              {[]byte{5, 0xff, 0x0f}, 16, 12},
		"half a group":        {[]byte{5, 0xff, 0xff}, 10, 10},
		"a group too many":    {[]byte{5, 0xff, 0xff}, 8, 8},
		"a run and a group":   {[]byte{6, 1, 3, 0b0101}, 11, 5},
	} {
		if got := ones(c.levels, c.n); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for _, c := range []struct {
		content
		want int64 // -1 if it contradicts itself
	}{
		{content{values: 10, nulls: -1}, 10},
		{content{values: 10, nulls: 0}, 10},
		{content{values: 10, nulls: 1}, -1},
		{content{values: 10, nulls: -1, optional: true, levels: []byte{8, 1, 12, 0}}, 4},
		{content{values: 10, nulls: 6, optional: true, levels: []byte{8, 1, 12, 0}}, 4},
		{content{values: 10, nulls: 4, optional: true, levels: []byte{8, 1, 12, 0}}, -1},
	} {
		got, err := c.present()
		if c.want < 0 && (err == nil || !strings.Contains(err.Error(), "values are null by its header, ")) || c.want >= 0 && (err != nil || got != c.want) {
			t.Errorf("%+v: %d, %v", c.content, got, err)
		}
	}
}

// lie is a file of one column and one page, of which edit may make anything.
func lie(t *testing.T, kind format.Type, encoding format.Encoding, n int, text []byte, edit func(*format.PageHeader, *format.FileMetaData)) []byte {
	t.Helper()
	h := format.PageHeader{Type: format.DataPage, UncompressedPageSize: int32(len(text)), CompressedPageSize: int32(len(text))}
	h.DataPageHeader = thrift.New(format.DataPageHeader{NumValues: int32(n), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})
	column := format.ColumnMetaData{Type: kind, Encoding: []format.Encoding{encoding}, PathInSchema: []string{"n"}, NumValues: int64(n), DataPageOffset: 4}
	m := format.FileMetaData{
		Version: 1, NumRows: int64(n),
		Schema: []format.SchemaElement{
			{Name: "schema", NumChildren: thrift.New(int32(1))},
			{Name: "n", Type: thrift.New(kind), TypeLength: thrift.New(int32(16)), RepetitionType: thrift.New(format.Required)},
		},
		RowGroups: []format.RowGroup{{NumRows: int64(n), Columns: []format.ColumnChunk{{MetaData: column}}}},
	}
	if edit != nil {
		edit(&h, &m)
	}
	page, err := thrift.Marshal(new(thrift.CompactProtocol), h)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(page) + len(text))
	last := &m.RowGroups[len(m.RowGroups)-1].Columns[0].MetaData
	last.TotalCompressedSize, last.TotalUncompressedSize = size, size
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), m)
	if err != nil {
		t.Fatal(err)
	}
	return joined([]byte("PAR1"), page, text, footer, binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), []byte("PAR1"))
}

// TestDeltaLies: files of some kilobytes whose pages say, or would be, more than that, take no memory. The library
// took gigabytes for the counts, the prefix and the first bomb, and wrote where it may not for the second; of the others it read
// numbers that are not there, or found a bug in itself.
func TestDeltaLies(t *testing.T) {
	text := []byte("aabbcc")
	for name, c := range map[string]struct {
		kind     format.Type
		encoding format.Encoding
		n        int
		text     []byte
		edit     func(*format.PageHeader, *format.FileMetaData)
		want     string
	}{
		"a count":             {format.Int64, format.DeltaBinaryPacked, 3, deltaOf(128, 4, 1<<29, 0), nil, "536870912 numbers, and 3 values"},
		"a count of lengths":  {format.ByteArray, format.DeltaLengthByteArray, 3, joined(deltaOf(128, 4, 1<<29, 0), text), nil, "536870912 numbers, and 3 values"},
		"widths":              {format.Int32, format.DeltaBinaryPacked, 33, append(deltaOf(128, 4, 33, 0), append([]byte{0, 255, 255, 255, 255}, make([]byte, 1020)...)...), nil, "differences of 255 bits"},
		"a negative length":   {format.ByteArray, format.DeltaByteArray, 2, joined(then(2, 0, 0), then(2, -1<<30, 3), text), nil, "a value with a prefix of 0 bytes and a suffix of -1073741824"},
		"a prefix":            {format.ByteArray, format.DeltaByteArray, 2, joined(then(2, 0, 1<<30), same(2, 3), text), nil, "a prefix of 1073741824 bytes, and the value before has 3"},
		"a bomb":              {format.ByteArray, format.DeltaByteArray, 1 << 14, bomb(1<<14, 1<<16+1), nil, "unpacked and decoded the file has more than"},
		"a bomb over 32 bits": {format.ByteArray, format.DeltaByteArray, 1<<16 + 8, joined(then(1<<16+8, 0, 1<<16), then(1<<16+8, 1<<16, 1), make([]byte, 1<<17+7)), nil, "unpacked and decoded the file has more than"},
		"of no fixed length":  {format.FixedLenByteArray, format.DeltaByteArray, 3, joined(same(3, 0), same(3, 2), text), nil, "a value of 2 bytes, want 16"},
		"nulls": {format.Int64, format.DeltaBinaryPacked, 100, append(deltaOf(128, 4, 3, 0), 0, 0, 0, 0, 0), func(h *format.PageHeader, _ *format.FileMetaData) {
			h.Type, h.DataPageHeader.Valid = format.DataPageV2, false
			h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{NumValues: 100, NumRows: 100, NumNulls: 97, Encoding: format.DeltaBinaryPacked})
		}, "97 of 100 values are null by its header, 0 by its levels"},
	} {
		data := lie(t, c.kind, c.encoding, c.n, c.text, c.edit)
		var err error
		took := plugintest.Allocated(func() { _, err = parseParquet(data, "x.parquet", Format{}) })
		if err == nil || !strings.HasPrefix(err.Error(), `column "n": a page encoded as DELTA_`) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if took > 8<<20 {
			t.Errorf("%s: it took %d bytes, and the file has %d", name, took, len(data))
		}
	}
}

// TestOtherPages: what is looked at is what is read. Most of these files were a way around the look: the differences have a count
// of their own.
func TestOtherPages(t *testing.T) {
	lies := deltaOf(128, 4, 1<<29, 0)
	levels := joined([]byte{2, 0, 0, 0, 2, 1}, deltaOf(128, 4, 1, 7))
	for name, c := range map[string]struct {
		text []byte
		edit func(*format.PageHeader, *format.FileMetaData)
		want string // "" if it is read
	}{
		"as it should be": {levels, func(h *format.PageHeader, m *format.FileMetaData) {
			m.Schema[1].RepetitionType = thrift.New(format.Optional)
		}, ""},
		"of levels packed in another way": {levels, func(h *format.PageHeader, m *format.FileMetaData) {
			m.Schema[1].RepetitionType, h.DataPageHeader.V.DefinitionLevelEncoding = thrift.New(format.Optional), format.BitPacked
		}, errPage.Error()},
		"of both versions, read as the first": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DataPageHeader.V.Encoding = format.Plain
			h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{NumValues: 1, NumRows: 1, Encoding: format.DeltaBinaryPacked})
		}, errPage.Error()},
		"of both versions, read as the second": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DataPageHeader.V.Encoding, h.Type = format.Plain, format.DataPageV2
			h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{NumValues: 1, NumRows: 1, Encoding: format.DeltaBinaryPacked})
		}, errPage.Error()},
		"of two kinds": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: 1})
		}, errPage.Error()},
		"of another kind": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DataPageHeader.V.Encoding, h.Type = format.Plain, format.DataPageV2
		}, errPage.Error()},
		"a dictionary": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DataPageHeader.Valid, h.Type = false, format.DictionaryPage
			h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.DeltaBinaryPacked})
		}, "a dictionary encoded as DELTA_BINARY_PACKED, want PLAIN"},
		"a dictionary of too many": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DataPageHeader.Valid, h.Type = false, format.DictionaryPage
			h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: 1 << 20, Encoding: format.Plain})
		}, "a dictionary of 1048576 values in "},
		"within a page": {lies, func(h *format.PageHeader, m *format.FileMetaData) {
			h.DataPageHeader.V.Encoding = format.Plain
			m.RowGroups[0].Columns[0].MetaData.DictionaryPageOffset, m.RowGroups[0].Columns[0].MetaData.DataPageOffset = 4, 5
		}, "no page is at 5, where its data begin"},
		"of two codecs": {lies, func(h *format.PageHeader, m *format.FileMetaData) {
			h.DataPageHeader.V.Encoding = format.Plain
			other := m.RowGroups[0].Columns[0]
			other.MetaData.Codec = format.Snappy
			m.RowGroups = append([]format.RowGroup{{Columns: []format.ColumnChunk{other}}}, m.RowGroups...)
		}, "it is packed with SNAPPY and with UNCOMPRESSED"},
		"of more values": {lies, func(h *format.PageHeader, _ *format.FileMetaData) {
			h.DataPageHeader.V.NumValues, h.DataPageHeader.V.Encoding = 1<<30, format.RLE
		}, "a page of 1073741824 values in a column of 1"},
	} {
		data := lie(t, format.Int64, format.DeltaBinaryPacked, 1, c.text, c.edit)
		if _, err := parseParquet(data, "x.parquet", Format{}); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}
