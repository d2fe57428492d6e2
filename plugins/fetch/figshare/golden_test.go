package figshare

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	client := box().Hosts().Client(t)
	for params, want := range map[string]digest.Digest{
		`{"article":4879853,"version":1,"exclude":["elsewhere"]}`: "sha256:c33e9588d68068aacbb410a39a325848d6018fa8edc561ddd6439d8c608db8b3",
	} {
		files := plugintest.Case{Plugin: Plugin(client), Params: params}.Deterministic(t)
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
