package zenodo

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	client := publisher.Hosts{"zenodo.org": box()}.Client(t)
	for params, want := range map[string]digest.Digest{
		`{"record":101}`: "sha256:6b371c9d50bf35f23271bd594506b9286ae8f47e1ce091413d3995ed797e38ce",
	} {
		files := plugintest.Case{Plugin: Plugin(client), Params: params}.Deterministic(t)
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
