package figshare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func box() *publisher.Figshare {
	many := make([]publisher.FigshareFile, 2*pageSize)
	for i := range many {
		many[i] = publisher.FigshareFile{ID: int64(10_000 + i), Name: fmt.Sprintf("%04d.jpg", i), Data: []byte{byte(i)}}
	}
	return &publisher.Figshare{Articles: map[int64]map[int64]publisher.FigshareArticle{
		4879853: {
			1: {Files: []publisher.FigshareFile{
				{ID: 1, Name: "scans.zip", Data: bytes.Repeat([]byte("0123456789"), 1000)},
				{ID: 2, Name: "a.csv", Folder: "labels/by hand", Data: []byte("A")},
				{ID: 3, Name: "elsewhere", Link: "https://elsewhere.test/x"},
			}},
			2: {Files: []publisher.FigshareFile{{ID: 4, Name: "scans.zip", Data: []byte("newer")}}},
		},
		5: {1: {MetadataOnly: true}},
		6: {1: {DownloadDisabled: true}},
		7: {1: {Files: many}},
		8: {1: {Files: []publisher.FigshareFile{{ID: 5, Name: "a", Data: []byte("A"), Supplied: strings.Repeat("0", 32)}}}},
	}}
}

func run(t *testing.T, f *publisher.Figshare, params string) (plugintest.Files, *publisher.Box, error) {
	t.Helper()
	b := f.Hosts().Open(t)
	files, err := plugintest.Case{Plugin: Plugin(b.Client), Params: params, Env: plugins.Env{Retry: plugins.Retry{Attempts: 1}}}.Run(t.Context(), 2, t.TempDir())
	delete(files, "dataset.json")
	return files, b, err
}

func TestFetch(t *testing.T) {
	files, _, err := run(t, box(), `{"article":4879853,"version":1,"exclude":["elsewhere"]}`)
	if err != nil {
		t.Fatal(err)
	}
	listed := box().Articles[4879853][1].Files
	if diff := plugintest.Diff(plugintest.Files{"scans.zip": listed[0].Data, "labels/by hand/a.csv": listed[1].Data}, files); diff != "" {
		t.Error(diff)
	}
}

// TestPages: a list is read to its end, also where its last page is full.
func TestPages(t *testing.T) {
	files, b, err := run(t, box(), `{"article":7,"version":1,"include":["*7.jpg"]}`)
	if err != nil || len(files) != 2*pageSize/10 || files["1997.jpg"] == nil {
		t.Errorf("%d files, %v", len(files), err)
	}
	var pages []string
	for _, r := range b.Requests() {
		if strings.HasSuffix(r.URL.Path, "/files") {
			pages = append(pages, r.URL.RawQuery)
		}
	}
	if diff := cmp.Diff([]string{"page=1&page_size=1000", "page=2&page_size=1000", "page=3&page_size=1000"}, pages); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	for params, want := range map[string]struct {
		code plugins.Code
		text string
	}{
		`{"article":4879853,"version":1}`: {"", "elsewhere is only a link to somewhere else"},
		`{"article":4879853,"version":3}`: {plugins.FaultAbsent, "404 Not Found"},
		`{"article":5,"version":1}`:       {"", "it is a metadata record"},
		`{"article":6,"version":1}`:       {plugins.FaultForbidden, "its owner has disabled downloads"},
		`{"article":8,"version":1}`:       {plugins.FaultManifest, "it was damaged when it was uploaded"},
	} {
		_, _, err := run(t, box(), params)
		if err == nil || plugins.FaultCode(err) != want.code || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v with code %q; want %q with %q", params, err, plugins.FaultCode(err), want.text, want.code)
		}
	}
}

// TestFirewall: the firewall's answer is neither an empty file nor a word of the signed address.
func TestFirewall(t *testing.T) {
	f := box()
	f.Firewall = true
	_, _, err := run(t, f, `{"article":4879853,"version":2}`)
	if plugins.FaultCode(err) != plugins.FaultForbidden || !strings.Contains(err.Error(), "figshare's firewall wants a browser") || strings.Contains(err.Error(), "s1gned") {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: "article is 0", `{"article":1}`: "version is 0", `{"article":1,"version":"latest"}`: "cannot unmarshal", `{"article":1,"version":1,"exclude":[""]}`: "has an empty component",
	} {
		if _, err := Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", params, err, want)
		}
	}
}

// The examples of PublicFile and of folder_structure in figshare's OpenAPI description.
const (
	documented = `[{"id": 3000002, "name": "test.xls", "size": 14848, "is_link_only": false, "download_url": "https://ndownloader.figshare.com/files/3000002",
		"supplied_md5": "043a51806d646e88cafbf19e7b82846f", "computed_md5": "043a51806d646e88cafbf19e7b82846f", "mimetype": "application/pdf"}]`
	documentedFolders = `{"3000002": "Test Folder"}`
)

func TestDocumented(t *testing.T) {
	var listed []file
	var folders map[string]string
	if err := json.Unmarshal([]byte(documented), &listed); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(documentedFolders), &folders); err != nil {
		t.Fatal(err)
	}
	got, err := sourceFiles(folders, listed, "list")
	want := []plugins.SourceFile{{Path: "Test Folder/test.xls", Size: 14848, Sum: "md5:043a51806d646e88cafbf19e7b82846f", List: "list", Ref: "https://ndownloader.figshare.com/files/3000002"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestOddLists(t *testing.T) {
	const sum = "043a51806d646e88cafbf19e7b82846f"
	for text, want := range map[string]string{
		`[{"id":1,"name":"a","computed_md5":"` + sum + `"}]`:                                                                    "it has no size",
		`[{"id":1,"name":"a","size":1,"computed_md5":""}]`:                                                                      "want 32 lower-case hexadecimal digits",
		`[{"id":1,"name":"","size":1,"computed_md5":"` + sum + `"}]`:                                                            "no number or no name",
		`[{"id":1,"name":"../../a","size":1,"computed_md5":"` + sum + `"}]`:                                                     "not a clean relative path",
		`[{"id":1,"name":"a","size":1,"computed_md5":"` + sum + `"},{"id":1,"name":"b","size":1,"computed_md5":"` + sum + `"}]`: "is there twice",
	} {
		var listed []file
		if err := json.Unmarshal([]byte(text), &listed); err != nil {
			t.Fatal(err)
		}
		if _, err := sourceFiles(nil, listed, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(documented), "3000002", "Test Folder")
	f.Add([]byte(`[{"id":1,"name":"a","is_link_only":true}]`), "1", "/x/../y/")
	f.Fuzz(func(t *testing.T, text []byte, id, folder string) {
		var listed []file
		if json.Unmarshal(text, &listed) != nil {
			return
		}
		files, err := sourceFiles(map[string]string{id: folder}, listed, "")
		for _, s := range files {
			if err == nil && (plugins.CheckPath(s.Path) != nil || s.Ref != "" && (s.Size < 0 || !strings.HasPrefix(s.Ref, downloads+"/"))) {
				t.Errorf("%+v", s)
			}
		}
	})
}
