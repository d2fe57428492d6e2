package inflate_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/curate/inflate"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func pack(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(files plugintest.Files, name string, maximum int64) (string, error) {
	r, err := inflate.Open(files, name, maximum)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestOpen(t *testing.T) {
	packed := pack(t, "hello")
	files := plugintest.Files{
		"plain.txt": []byte("hello"), "called.txt": packed, "x.csv.GZ": packed, "two.gz": append(bytes.Clone(packed), packed...),
		"empty.txt": {}, "empty.gz": {}, "lie.gz": []byte("hello"), "cut.gz": packed[:len(packed)-3], "sum.gz": append(bytes.Clone(packed[:len(packed)-8]), 0, 0, 0, 0, 5, 0, 0, 0),
		"tail.gz": append(bytes.Clone(packed), "junk"...),
	}
	for name, want := range map[string]string{"plain.txt": "hello", "called.txt": "hello", "x.csv.GZ": "hello", "two.gz": "hellohello", "empty.txt": ""} {
		if got, err := read(files, name, 10); err != nil || got != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"empty.gz": "the file is empty, which no gzip file is", "lie.gz": "is called .gz and is not packed",
		"cut.gz": "read cut.gz: unexpected EOF", "sum.gz": "read sum.gz: gzip: invalid checksum", "tail.gz": "read tail.gz: ", "none": "open none",
	} {
		if _, err := read(files, name, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

func TestOpenBounds(t *testing.T) {
	files := plugintest.Files{"bomb.gz": pack(t, strings.Repeat("0", 1<<20)), "long.txt": []byte("12345")}
	for _, name := range []string{"bomb.gz", "long.txt"} {
		got, err := read(files, name, 4)
		if !errors.Is(err, inflate.ErrTooLong) || len(got) != 4 {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}
