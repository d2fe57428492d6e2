package tcia

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	client := publisher.Hosts{"nbia.cancerimagingarchive.net": box()}.Client(t)
	for params, want := range map[string]digest.Digest{
		`{"collection":"CBIS-DDSM","modality":"SEG"}`: "sha256:ab3e92cf139ca9cee9b4db34183b4adc4e5ab296cb759721d35e90909bf8977b",
	} {
		files := plugintest.Case{Plugin: Plugin(client), Params: params}.Deterministic(t)
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
