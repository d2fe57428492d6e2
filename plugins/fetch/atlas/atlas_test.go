package atlas

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const folder = "pub/databases/microarray/data/atlas/experiments/"

func world() sourcetest.World {
	tree, want := &publisher.Tree{Table: true}, map[string][]byte{}
	for name, data := range map[string][]byte{
		"E-MTAB-513/E-MTAB-513-tpms.tsv":          sourcetest.Random(sourcetest.Large, 1),
		"E-MTAB-513/E-MTAB-513-configuration.xml": []byte(`<?xml version="1.0"?><configuration/>`),
		"E-MTAB-513/qc/report/index.html":         []byte("<html>quality</html>"),
		"E-MTAB-513/E-MTAB-513.g1.bedGraph":       sourcetest.Random(sourcetest.Small, 2),
	} {
		tree.Put(folder+name, data)
		want[name] = data
	}
	tree.Put(folder+"E-GEOD-1/E-GEOD-1-analytics.tsv", []byte("another experiment"))
	at := func(name string) string { return folder + "E-MTAB-513/" + name }
	return sourcetest.World{
		Params: `{"experiments":["E-MTAB-513"]}`,
		Hosts:  publisher.Hosts{"ftp.ebi.ac.uk": tree},
		Files:  want,
		Data: func(u *url.URL) string {
			if strings.HasSuffix(u.Path, "/") {
				return ""
			}
			return u.Path
		},
		Versions: true,
		Replace:  func() { tree.Put(at("E-MTAB-513.g1.bedGraph"), sourcetest.Random(sourcetest.Small, 3)) },
		Touch:    func() { tree.Files[at("E-MTAB-513-tpms.tsv")] = sourcetest.Random(sourcetest.Large, 3) },
		Add:      func() { tree.Put(at("archive/old.tsv"), []byte("new")) },
		Remove:   func() { delete(tree.Files, at("E-MTAB-513-configuration.xml")) },
	}
}

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world})
}

func TestSelection(t *testing.T) {
	w := world()
	files := plugintest.Case{Plugin: Plugin(w.Hosts.Client(t)), Params: `{"experiments":["E-MTAB-513","E-GEOD-1"],"include":["**/*.tsv"]}`}.Must(t)
	if len(files) != 3 || string(files["E-GEOD-1/E-GEOD-1-analytics.tsv"]) != "another experiment" {
		t.Errorf("%d files", len(files))
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                              "experiments is required",
		`{"experiments":["e-mtab-1"]}`:    `"e-mtab-1" is no accession`,
		`{"experiments":["E-MTAB-1/.."]}`: "is no accession",
		`{"experiments":["E-MTAB-1","E-MTAB-1"]}`:      "experiments[1]: E-MTAB-1 is there twice",
		`{"experiments":["E-MTAB-1"],"exclude":["["]}`: `pattern "["`,
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
	if got, want := files.Root(), digest.Digest("sha256:0ac05dac590a5f2dca1b4765ed5dcf677220c1d04cb072dec5498fe0b249c315"); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}
