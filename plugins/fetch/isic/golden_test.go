package isic

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	client := box().Hosts().Client(t)
	for params, want := range map[string]digest.Digest{
		`{"collections":[70]}`: "sha256:d6f599f857c6940f8c9871aa26c01989bc31c2f56598eb8c9defd86e78ce9f81",
		`{"query":"sex:male","challenge":[{"key":"2018/Task3 Input.zip"}],"exclude":["metadata.jsonl"]}`: "sha256:a34f7f989af686019cb8ac02d77db855f40947e97e1c547f33b2f66b95b012ee",
	} {
		files := plugintest.Case{Plugin: Plugin(client), Params: params}.Deterministic(t)
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
