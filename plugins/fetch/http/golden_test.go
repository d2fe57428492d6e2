package httpfetch

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	var z bytes.Buffer
	zw := zip.NewWriter(&z)
	w, err := zw.Create("top/x.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "X"); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"/db/a.bin": content, "/db/sub/b.txt": []byte("B"), "/db/empty": {}, "/db/p.zip": z.Bytes()}
	sums := strings.Builder{}
	for _, p := range []string{"a.bin", "sub/b.txt", "empty"} {
		sums.WriteString(line(p, string(files["/db/"+p])))
	}
	files["/db/SHA256SUMS.txt"] = []byte(sums.String())
	box := at(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { publisher.Content(w, r, "", files[r.URL.Path]) }))
	for params, want := range map[string]digest.Digest{
		`{"sums":"http://publisher.test/db/SHA256SUMS.txt"}`:                                                    "sha256:3401b3434320d56f8d16af7c8d4e9a47ebf7fb961ba9b48fec454e5e3447e88e",
		`{"base":"http://publisher.test/db","files":[{"url":"a.bin"},{"url":"p.zip","unpack":true,"strip":1}]}`: "sha256:93438f84e8d0b998c148a673816b33390e52555995f10326dd5c243abba2cd40",
	} {
		files, err := plugintest.Case{Plugin: Plugin(box.Client), Params: params}.Run(t.Context(), 2, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
