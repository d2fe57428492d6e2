package mendeley

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	client := box().Hosts().Client(t)
	for params, want := range map[string]digest.Digest{
		`{"dataset":"zr7vgbcyr2","version":1}`: "sha256:4707e96ee1276d186e2ee0fef9420e403662a44d65aa007b2ebddc048beb16fe",
	} {
		files := plugintest.Case{Plugin: Plugin(client), Params: params}.Deterministic(t)
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
