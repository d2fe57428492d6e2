package snap

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// ppi is a zip as GraphSAGE's, with what the Mac that made it left in it.
func ppi(seed uint64) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name string
		data []byte
	}{{"ppi/", nil}, {"ppi/ppi-feats.npy", sourcetest.Random(sourcetest.Large, seed)}, {"ppi/ppi-id_map.json", []byte("{}")}, {"__MACOSX/ppi/._ppi-G.json", []byte("mac")}} {
		w, err := z.Create(f.name)
		if err == nil && f.data != nil {
			_, err = w.Write(f.data)
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

func world() sourcetest.World {
	site := &publisher.Tree{}
	site.Put("graphsage/ppi.zip", ppi(1))
	site.Put("data/facebook_combined.txt.gz", sourcetest.Random(sourcetest.Small, 2))
	return sourcetest.World{
		Params: `{"files":["graphsage/ppi.zip","data/facebook_combined.txt.gz"],"exclude":["__MACOSX/**"]}`,
		Hosts:  publisher.Hosts{"snap.stanford.edu": site},
		Files: map[string][]byte{
			"ppi/ppi-feats.npy": sourcetest.Random(sourcetest.Large, 1), "ppi/ppi-id_map.json": []byte("{}"),
			"facebook_combined.txt.gz": sourcetest.Random(sourcetest.Small, 2),
		},
		Data:     func(u *url.URL) string { return u.Path },
		Versions: true,
		Touch:    func() { site.Files["data/facebook_combined.txt.gz"] = sourcetest.Random(sourcetest.Small, 3) },
		Replace:  func() { site.Put("graphsage/ppi.zip", ppi(3)) },
		Remove:   func() { delete(site.Files, "graphsage/ppi.zip") },
	}
}

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world})
}

func TestPacked(t *testing.T) {
	w := world()
	files := plugintest.Case{Plugin: Plugin(w.Hosts.Client(t)), Params: `{"files":["graphsage/ppi.zip"],"unpack":false}`}.Must(t)
	if len(files) != 2 || !bytes.Equal(files["ppi.zip"], ppi(1)) {
		t.Errorf("%d files", len(files))
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                                      "files is required",
		`{"files":["../x"]}`:                      "files[0]: want a path under https://snap.stanford.edu/",
		`{"files":["https://x.test/a"]}`:          "files[0]: want a path",
		`{"files":["a.zip","a.zip"]}`:             `files[1]: "a.zip" is there twice`,
		`{"files":["a.txt"],"exclude":["b"]}`:     "none is unpacked",
		`{"files":["a.zip"],"include":["["]}`:     `pattern "["`,
		`{"files":["a.zip"],"base":"https://x/"}`: "unknown field",
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
	if got, want := files.Root(), digest.Digest("sha256:27f913da67bf5a53f1d14290f92a5d5ed48ee6c15b88d687c68a21e60a361cc5"); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}
