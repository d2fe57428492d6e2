package tabular

import (
	"bytes"
	"compress/gzip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestRuns: a few bytes may not stand for more values than a page has.
func TestRuns(t *testing.T) {
	for name, c := range map[string]struct {
		text []byte
		bits uint
		n    int
		want bool
	}{
		"nothing":                {nil, 1, 0, true},
		"a run":                  {[]byte{20, 1}, 1, 10, true},
		"a run of wide numbers":  {[]byte{20, 1, 2, 3}, 20, 10, true},
		"too long a run":         {[]byte{40, 1}, 1, 10, false},
		"two runs":               {[]byte{10, 1, 10, 0}, 1, 10, true},
		"two runs too long":      {[]byte{20, 1, 20, 0}, 1, 10, false},
		"groups":                 {[]byte{5, 0xff, 3}, 1, 10, true},
		"groups that are filled": {append([]byte{65}, make([]byte, 32)...), 1, 10, true},
		"too many groups":        {append([]byte{69}, make([]byte, 34)...), 1, 10, false},
		"a run after them":       {append(append([]byte{65}, make([]byte, 32)...), 2, 0), 1, 10, false},
		"huge":                   {[]byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, 1, 10, false},
		"huge groups":            {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, 1, 10, false},
		"no value":               {[]byte{20}, 1, 10, false},
		"no values of the group": {[]byte{5, 0xff}, 1, 10, false},
		"no length":              {[]byte{0x80}, 1, 10, false},
		"too wide":               {[]byte{20, 1, 2, 3, 4, 5}, 33, 10, false},
		"of no bits":             {[]byte{20}, 0, 10, true},
	} {
		if got := runs(c.text, c.bits, c.n); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestUnpack: what is packed unpacks to its size, and to no other.
func TestUnpack(t *testing.T) {
	text := []byte(strings.Repeat("cairn ", 1000))
	streamed := func(w interface {
		Write([]byte) (int, error)
		Close() error
	}, out *bytes.Buffer) []byte {
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	var a, b, c bytes.Buffer
	z, err := zstd.NewWriter(&c)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, lz4.CompressBlockBound(len(text)))
	n, err := lz4.CompressBlock(text, block, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &pages{}
	defer p.close()
	for codec, packed := range map[format.CompressionCodec][]byte{
		format.Snappy: snappy.Encode(nil, text), format.Lz4Raw: block[:n], format.Gzip: streamed(gzip.NewWriter(&a), &a),
		format.Brotli: streamed(brotli.NewWriter(&b), &b), format.Zstd: streamed(z, &c),
	} {
		if got, err := p.unpack(codec, packed, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes, %v", codec, len(got), err)
		}
		for _, size := range []int{0, len(text) - 1, len(text) + 1} {
			if _, err := p.unpack(codec, packed, size); err == nil {
				t.Errorf("%s: it is said to be of %d bytes, and is of %d", codec, size, len(text))
			}
		}
		if _, err := p.unpack(codec, packed[:len(packed)/2], len(text)); err == nil {
			t.Errorf("%s: half of it is all of it", codec)
		}
	}
	if _, err := p.unpack(format.LZO, text, len(text)); err == nil || !strings.Contains(err.Error(), "LZO") {
		t.Errorf("of an unknown codec: %v", err)
	}
}

// TestLies: files of some kilobytes that say that they have gigabytes, found by fuzzing, take no memory.
func TestLies(t *testing.T) {
	for name, want := range map[string]string{
		"f0ddd52f85cb467a": "no page is at 1547",                    // of a page
		"c1d9a205520895ff": "the footer: a list of 205520895 items", // of a list
	} {
		text, err := os.ReadFile("testdata/fuzz/FuzzParquet/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, quoted, _ := strings.Cut(strings.TrimSpace(string(text)), "[]byte(")
		data, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
		if err != nil {
			t.Fatal(err)
		}
		took := plugintest.Allocated(func() { _, err = parseParquet([]byte(data), "x.parquet", Format{}) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
		if took > 64<<20 {
			t.Errorf("%s: it took %d bytes", name, took)
		}
	}
}
