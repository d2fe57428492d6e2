package mendeley

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func box() *publisher.Mendeley {
	return &publisher.Mendeley{Datasets: map[string]map[int64]publisher.MendeleyDataset{
		"zr7vgbcyr2": {1: {Files: map[string][]byte{
			"metadata.csv": []byte("M"), "images/imgs_part_1.zip": bytes.Repeat([]byte("0123456789"), 1000), "images/more/a.png": []byte("P"), "empty": {},
		}}},
	}}
}

func run(t *testing.T, params string) (plugintest.Files, error) {
	t.Helper()
	env := plugins.Env{Retry: plugins.Retry{Attempts: 1}}
	files, err := plugintest.Case{Plugin: Plugin(box().Hosts().Client(t)), Params: params, Env: env}.Run(t.Context(), 2, t.TempDir())
	delete(files, "dataset.json")
	return files, err
}

func TestFetch(t *testing.T) {
	files, err := run(t, `{"dataset":"zr7vgbcyr2","version":1}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := plugintest.Diff(box().Datasets["zr7vgbcyr2"][1].Files, files); diff != "" {
		t.Error(diff)
	}
	files, err = run(t, `{"dataset":"zr7vgbcyr2","version":1,"include":["images/**"],"exclude":["**/*.zip"]}`)
	if err != nil || len(files) != 1 || string(files["images/more/a.png"]) != "P" {
		t.Errorf("%q, %v", files, err)
	}
}

func TestAbsent(t *testing.T) {
	for _, params := range []string{`{"dataset":"zr7vgbcyr2","version":2}`, `{"dataset":"aaaaaaaaaa","version":1}`} {
		if _, err := run(t, params); plugins.FaultCode(err) != plugins.FaultAbsent {
			t.Errorf("%s: %v", params, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: `dataset is ""`, `{"dataset":"zr7vgbcyr2"}`: "version is 0", `{"dataset":"../../login","version":1}`: "want ten digits and small letters",
	} {
		if _, err := Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", params, err, want)
		}
	}
}

const sum = "9bbf3188fdad81495d8e82825648b9b63b53fc86841a3d26c02629990b233cc3"

// documented has the attributes that https://dev.mendeley.com/methods/ lists for a file and its content details. The
// document gives no example of them.
const documented = `{"filename": "Dataset_5971.csv", "name": "Dataset", "content_details": {"id": "edb361de-918d-469f-9106-e84823830665",
	"sha256_hash": "` + sum + `", "content_type": "text/csv", "size": 517, "created_date": "2015-12-15T10:34:34.897Z", "status": "claimed",
	"download_url": "https://data.mendeley.com/public-files/datasets/f45bkkt8pr/files/edb361de-918d-469f-9106-e84823830665/file_downloaded",
	"download_expiry_time": "2115-12-15T10:34:34.897Z", "view_url": "https://data.mendeley.com/x"}}`

func TestDocumented(t *testing.T) {
	var f file
	if err := json.Unmarshal([]byte(documented), &f); err != nil {
		t.Fatal(err)
	}
	got, err := f.source("f45bkkt8pr", "a/b")
	want := plugins.SourceFile{Path: "a/b/Dataset_5971.csv", Size: 517, Digest: digest.Digest("sha256:" + sum),
		Ref: "https://data.mendeley.com/public-files/datasets/f45bkkt8pr/files/edb361de-918d-469f-9106-e84823830665/file_downloaded"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestOddFiles(t *testing.T) {
	for want, change := range map[string][2]string{
		"want the name of one file":      {`"Dataset_5971.csv"`, `"x/../y"`},
		"it has no size":                 {`"size": 517,`, ``},
		"want 64 hexadecimal digits":     {sum, "abc"},
		"is not a file of the dataset":   {"datasets/f45bkkt8pr", "datasets/aaaaaaaaaa"},
		`"https://evil.test/public-file`: {"data.mendeley.com/public-files", "evil.test/public-files"},
		"not a clean relative path":      {`"Dataset_5971.csv"`, `".."`},
	} {
		var f file
		if err := json.Unmarshal([]byte(strings.Replace(documented, change[0], change[1], 1)), &f); err != nil {
			t.Fatal(err)
		}
		if _, err := f.source("f45bkkt8pr", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestFolderPaths(t *testing.T) {
	got, err := folderPaths([]folder{{"c", "C", "b"}, {"a", "A", ""}, {"b", "B", "a"}, {"d", "D", "root"}})
	if diff := cmp.Diff(map[string]string{"a": "A", "b": "A/B", "c": "A/B/C", "d": "D"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for want, folders := range map[string][]folder{
		"lies in itself":              {{"a", "A", "b"}, {"b", "B", "a"}},
		"which is not there":          {{"a", "A", "x"}},
		"is there twice":              {{"a", "A", ""}, {"a", "B", ""}},
		"want the name of one folder": {{"a", "../A", ""}},
	} {
		if _, err := folderPaths(folders); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(documented), "a/b")
	f.Fuzz(func(t *testing.T, text []byte, at string) {
		var listed file
		if json.Unmarshal(text, &listed) != nil {
			return
		}
		s, err := listed.source("f45bkkt8pr", at)
		if err == nil && (plugins.CheckPath(s.Path) != nil || s.Size < 0 || s.Digest.Validate() != nil || !strings.HasPrefix(s.Ref, site+"/public-files/datasets/f45bkkt8pr/")) {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzFolders(f *testing.F) {
	f.Add([]byte(`[{"id":"a","name":"A","parent_id":"b"},{"id":"b","name":"B"}]`))
	f.Add([]byte(`[{"id":"a","name":"A","parent_id":"a"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var folders []folder
		if json.Unmarshal(text, &folders) != nil {
			return
		}
		paths, err := folderPaths(folders)
		for id, at := range paths {
			if err == nil && plugins.CheckPath(at) != nil {
				t.Errorf("%q is %q", id, at)
			}
		}
	})
}
