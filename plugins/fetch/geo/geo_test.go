package geo

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

const (
	host   = "ftp.ncbi.nlm.nih.gov"
	series = "geo/series/GSE10nnn/GSE10072/"
)

func world() sourcetest.World {
	tree := &publisher.Tree{}
	files := map[string][]byte{
		series + "soft/GSE10072_family.soft.gz":       sourcetest.Random(sourcetest.Small, 1),
		series + "suppl/GSE10072_RAW.tar":             sourcetest.Random(sourcetest.Large, 2),
		series + "suppl/filelist.txt":                 []byte("#Archive/File\tName\tTime\tSize\tType\n"),
		series + "matrix/GSE10072_series_matrix.gz":   []byte("not wanted"),
		series + "soft/GSE10072 b&c%2f;.txt":          []byte("odd"),
		"geo/datasets/GDSnnn/GDS505/soft/GDS505.soft": []byte("another record"),
	}
	for name, data := range files {
		tree.Put(name, data)
	}
	soft, suppl := "GSE10072/soft/", "GSE10072/suppl/"
	return sourcetest.World{
		Params: `{"accessions":["GSE10072"],"parts":["soft","suppl"]}`,
		Hosts:  publisher.Hosts{host: tree},
		Files: map[string][]byte{
			soft + "GSE10072_family.soft.gz": files[series+"soft/GSE10072_family.soft.gz"], soft + "GSE10072 b&c%2f;.txt": []byte("odd"),
			suppl + "GSE10072_RAW.tar": files[series+"suppl/GSE10072_RAW.tar"], suppl + "filelist.txt": files[series+"suppl/filelist.txt"],
		},
		Data: func(u *url.URL) string {
			if strings.HasSuffix(u.Path, "/") {
				return ""
			}
			return u.Path
		},
		Versions: true,
		Replace:  func() { tree.Put(series+"soft/GSE10072_family.soft.gz", sourcetest.Random(sourcetest.Small, 3)) },
		Touch:    func() { tree.Files[series+"suppl/GSE10072_RAW.tar"] = sourcetest.Random(sourcetest.Large, 3) },
		Add:      func() { tree.Put(series+"suppl/new/deep.txt", []byte("new")) },
		Remove:   func() { delete(tree.Files, series+"suppl/filelist.txt") },
	}
}

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world})
}

// TestRecords: a record's folder is where the archive's README says.
func TestRecords(t *testing.T) {
	for accession, want := range map[string]string{
		"GSE1":      "https://ftp.ncbi.nlm.nih.gov/geo/series/GSEnnn/GSE1/",
		"GSE999":    "https://ftp.ncbi.nlm.nih.gov/geo/series/GSEnnn/GSE999/",
		"GSE1000":   "https://ftp.ncbi.nlm.nih.gov/geo/series/GSE1nnn/GSE1000/",
		"GSE123456": "https://ftp.ncbi.nlm.nih.gov/geo/series/GSE123nnn/GSE123456/",
		"GDS505":    "https://ftp.ncbi.nlm.nih.gov/geo/datasets/GDSnnn/GDS505/",
		"GDS1234":   "https://ftp.ncbi.nlm.nih.gov/geo/datasets/GDS1nnn/GDS1234/",
	} {
		if got := recordURL(accession); got != want {
			t.Errorf("%s: %s, want %s", accession, got, want)
		}
	}
}

func TestSelection(t *testing.T) {
	w := world()
	files := plugintest.Case{Plugin: Plugin(w.Hosts.Client(t)), Params: `{"accessions":["GSE10072","GDS505"],"parts":["soft"],"exclude":["**/*.gz"]}`}.Must(t)
	if len(files) != 3 || string(files["GDS505/soft/GDS505.soft"]) != "another record" || string(files["GSE10072/soft/GSE10072 b&c%2f;.txt"]) != "odd" {
		t.Errorf("%q", files)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                      "accessions is required",
		`{"accessions":["GSE1"]}`: "parts is required",
		`{"accessions":["gse1"],"parts":["soft"]}`:                        `accessions[0]: "gse1" is no accession`,
		`{"accessions":["GSE1/../../x"],"parts":["soft"]}`:                `is no accession`,
		`{"accessions":["GSE1","GSE1"],"parts":["soft"]}`:                 "accessions[1]: GSE1 is there twice",
		`{"accessions":["GSE1"],"parts":["raw"]}`:                         `GSE1 has matrix, miniml, soft, suppl, but no "raw"`,
		`{"accessions":["GDS1"],"parts":["matrix"]}`:                      `GDS1 has soft, but no "matrix"`,
		`{"accessions":["GSE1"],"parts":["soft","soft"]}`:                 `parts[1]: "soft" is there twice`,
		`{"accessions":["GSE1"],"parts":["soft"],"include":["["]}`:        `pattern "["`,
		`{"accessions":["GSE1"],"parts":["soft"],"url":"https://x.test"}`: "unknown field",
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
	if got, want := files.Root(), digest.Digest("sha256:c8547a41c60cea2373d39dcb4c3ce9ca960eb05c3a3cdb1b28a5b1e9bd864574"); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}
