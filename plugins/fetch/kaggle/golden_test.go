package kaggle

import (
	"bytes"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however Kaggle packs the bytes, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	for params, want := range map[string]digest.Digest{
		`{"dataset":"ann/hearts","version":2}`:                "sha256:12b70ae5b4785fd16046963b3c522d9c851380048c47b8f8d7b9e6220dc5ec8d",
		`{"dataset":"ann/hearts","version":2,"archive":true}`: "sha256:12b70ae5b4785fd16046963b3c522d9c851380048c47b8f8d7b9e6220dc5ec8d",
	} {
		files, err := plugintest.Case{Plugin: Plugin(hosts(box()).Client(t)), Params: params, Env: token}.Run(t.Context(), 2, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}

// onePlace is an output that knows where everything should go.
type onePlace struct {
	bytes.Buffer
	want, other string
}

func (o *onePlace) Create(path string) (io.WriteCloser, error) {
	if path != o.want {
		o.other = path
	}
	return o, nil
}

func (o *onePlace) Close() error { return nil }
