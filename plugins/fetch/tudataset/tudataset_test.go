package tudataset

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func zipped(files map[string][]byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func dataset(seed uint64) map[string][]byte {
	return map[string][]byte{
		"PROTEINS/PROTEINS_A.txt":               sourcetest.Random(sourcetest.Large, seed),
		"PROTEINS/PROTEINS_graph_indicator.txt": []byte("1\n1\n2\n"),
		"PROTEINS/PROTEINS_graph_labels.txt":    []byte("1\n2\n"),
	}
}

func world() sourcetest.World {
	const at = "graphkerneldatasets/PROTEINS.zip"
	site := &publisher.Pages{Files: map[string][]byte{at: zipped(dataset(1))}}
	return sourcetest.World{
		Params:   `{"name":"PROTEINS"}`,
		Hosts:    publisher.Hosts{"www.chrsmrrs.com": site},
		Files:    dataset(1),
		Data:     func(u *url.URL) string { return u.Path },
		Versions: true,
		Replace:  func() { site.Files[at] = zipped(dataset(2)) },
		Add: func() {
			more := dataset(1)
			more["PROTEINS/PROTEINS_node_labels.txt"] = []byte("1\n")
			site.Files[at] = zipped(more)
		},
		Remove: func() { delete(site.Files, at) },
	}
}

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world})
}

func TestAbsent(t *testing.T) {
	w := world()
	_, err := plugintest.Case{Plugin: Plugin(w.Hosts.Client(t)), Params: `{"name":"proteins"}`}.Run(t.Context(), 1, t.TempDir())
	if plugins.FaultCode(err) != plugins.FaultAbsent || !strings.Contains(err.Error(), "graphkerneldatasets/proteins.zip") {
		t.Errorf("error %v", err)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                        "name is required",
		`{"name":"../x"}`:           `name "../x": want letters`,
		`{"name":"a?b"}`:            `name "a?b": want letters`,
		`{"name":"A","url":"http"}`: "unknown field",
	} {
		if _, err := Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	w := world()
	files := plugintest.Case{Plugin: Plugin(w.Hosts.Client(t)), Params: w.Params}.Must(t)
	if got, want := files.Root(), digest.Digest("sha256:3e707bcfff8bd135a6b21bce33870a37c97bd69eae154ac1068e31dbb4418c01"); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}
