package web

import (
	"net/http"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
)

func TestStored(t *testing.T) {
	const crc, md5 = "crc32c=n03x6A==", "md5=Ojk9c3dhfxgoKVVHYwFbHQ==" // of Google's documentation
	const sum = plugins.Checksum("md5:3a393d7377617f182829554763015b1d")
	for _, c := range []struct {
		lines []string
		want  plugins.Checksum
	}{
		{[]string{crc}, "crc32c:9f4df1e8"}, {[]string{crc + "," + md5}, sum}, {[]string{md5, crc}, sum}, {[]string{"nonsense", "md5=short", "md5"}, ""}, {nil, ""},
	} {
		if got := stored(http.Header{"X-Goog-Hash": c.lines}); got != c.want {
			t.Errorf("%q: got %q, want %q", c.lines, got, c.want)
		}
	}
	if got := stored(http.Header{"X-Goog-Hash": {md5}, "X-Goog-Stored-Content-Encoding": {"gzip"}}); got != "" {
		t.Errorf("of what lies there compressed: %q", got)
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes 100-199/200")
	f.Add("bytes 0-0/1")
	f.Add("bytes */200")
	f.Add("bytes 5-9/*")
	f.Add("bytes 9-5/10")
	f.Add("bytes 0-9223372036854775807/9223372036854775807")
	f.Fuzz(func(t *testing.T, v string) {
		r, ok := parseRange(v)
		if ok && (r.from < 0 || r.from >= r.to || r.to > r.size) {
			t.Errorf("%q is %+v", v, r)
		}
	})
}

func FuzzStored(f *testing.F) {
	f.Add("crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==", "identity")
	f.Add("md5=,crc32c", "")
	f.Add("md5-parts-5=a-1", "gzip")
	f.Fuzz(func(t *testing.T, line, as string) {
		got := stored(http.Header{"X-Goog-Hash": {line}, "X-Goog-Stored-Content-Encoding": {as}})
		if got != "" && got.Algorithm() != "md5" && got.Algorithm() != "crc32c" || got != "" && got.Validate() != nil {
			t.Errorf("%q: %q", line, got)
		}
	})
}
