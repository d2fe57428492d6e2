package zenodo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const secret = "s3cret-canary"

func box() *publisher.Zenodo {
	return &publisher.Zenodo{
		Records: map[int64]publisher.ZenodoRecord{
			101: {Concept: 100, Files: map[string][]byte{"scans.bin": bytes.Repeat([]byte("0123456789"), 1000), "read me.txt": []byte("R"), "empty.csv": {}}},
			102: {Concept: 100, Files: map[string][]byte{"scans.bin": []byte("newer")}},
			201: {Restricted: true, Files: map[string][]byte{"a.csv": []byte("A")}},
			301: {Deleted: true},
			401: {},
		},
		Concepts: map[int64]int64{100: 102},
		Tokens:   map[string]int64{secret: 201, "other": 0},
	}
}

func run(t *testing.T, z *publisher.Zenodo, params, token string) (plugintest.Files, *publisher.Box, error) {
	t.Helper()
	b := publisher.Hosts{"zenodo.org": z}.Open(t)
	env := plugins.Env{Retry: plugins.Retry{Attempts: 1}, Lookup: func(name string) (string, bool) { return token, name == "ZENODO_TOKEN" && token != "" }}
	files, err := plugintest.Case{Plugin: Plugin(b.Client), Params: params, Env: env}.Run(t.Context(), 2, t.TempDir())
	delete(files, "dataset.json")
	return files, b, err
}

func TestFetch(t *testing.T) {
	files, b, err := run(t, box(), `{"record":101}`, secret)
	if err != nil {
		t.Fatal(err)
	}
	if diff := plugintest.Diff(box().Records[101].Files, files); diff != "" {
		t.Error(diff)
	}
	for _, r := range b.Requests() {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s: the token was sent for an open record", r)
		}
	}
}

func TestRestricted(t *testing.T) {
	files, _, err := run(t, box(), `{"record":201,"restricted":true}`, secret)
	if err != nil || string(files["a.csv"]) != "A" {
		t.Errorf("%q, %v", files, err)
	}
}

// TestLimited: a fetch that asks too often waits as long as it takes, and no longer.
func TestLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := box()
		z.Guests = 3
		start := time.Now()
		env := plugins.Env{Retry: plugins.Retry{Attempts: 2}}
		files, err := plugintest.Case{Plugin: Plugin(publisher.Hosts{"zenodo.org": z}.Client(t)), Params: `{"record":101}`, Env: env}.Run(t.Context(), 1, t.TempDir())
		if took := time.Since(start); err != nil || len(files) != 4 || took < time.Minute || took > 2*time.Minute {
			t.Errorf("%d files after %s: %v", len(files), took, err)
		}
	})
}

// TestRefused: what Zenodo refuses is said with what to do about it, and without the token.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		params, token string
		code          plugins.Code
		want          string
	}{
		{`{"record":100}`, "", "", "record 100 is not that of one version: Zenodo answers with record 102"},
		{`{"record":201}`, "", plugins.FaultForbidden, "ask for access at https://zenodo.org/records/201"},
		{`{"record":201}`, secret, plugins.FaultForbidden, "set restricted"},
		{`{"record":201,"restricted":true}`, "", plugins.FaultUnauthorized, "ZENODO_TOKEN is not set"},
		{`{"record":201,"restricted":true}`, "other", plugins.FaultForbidden, "check at https://zenodo.org/records/201 that you have access"},
		{`{"record":201,"restricted":true}`, "deleted", plugins.FaultUnauthorized, "ZENODO_TOKEN has not been deleted"},
		{`{"record":301}`, "", plugins.FaultAbsent, "410 Gone"},
		{`{"record":999}`, "", plugins.FaultAbsent, "404 Not Found"},
		{`{"record":401}`, "", "", "the record has no files"},
	} {
		_, _, err := run(t, box(), c.params, c.token)
		if err == nil || plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s with %q: %v with code %q; want %q with %q", c.params, c.token, err, plugins.FaultCode(err), c.want, c.code)
		}
	}
}

func TestMissing(t *testing.T) {
	p := Plugin(nil)
	for params, want := range map[string]int{`{"record":201}`: 0, `{"record":201,"restricted":true}`: 1} {
		missing, err := p.Missing(t.Context(), json.RawMessage(params), plugins.Env{})
		if err != nil || len(missing) != want {
			t.Errorf("%s: %v, %v; want %d", params, missing, err, want)
		}
		for _, m := range missing {
			if m.Page != "https://zenodo.org/records/201" || !strings.Contains(m.What, "ZENODO_TOKEN") {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: "record is 0", `{"record":-4}`: "record is -4", `{"record":1,"include":["a//b"]}`: "has an empty component",
		`{"record":"latest"}`: "cannot unmarshal", `{"record":1,"version":2}`: "unknown field",
	} {
		if _, err := Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", params, err, want)
		}
	}
	got, err := Plugin(nil).Normalise(json.RawMessage(`{"record":7}`))
	if want := `{"record":7,"restricted":false,"include":[],"exclude":[],"unpack":[]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// documented is the answer in the reference of InvenioRDM, "List a record's files", with what it leaves out left out.
const documented = `{"enabled": true, "default_preview": "article.pdf", "order": [], "entries": [{
	"key": "article.pdf", "created": "2020-11-26 14:30:53.911912", "updated": "2020-11-26 14:30:53.920544",
	"checksum": "md5:71449104d017a6056ac1a5fb58754975", "mimetype": "application/pdf", "size": 76122, "status": "completed",
	"storage_class": "S", "links": {"content": "/api/records/{id}/files/article.pdf/content", "self": "/api/records/{id}/files/article.pdf"}}]}`

func TestDocumented(t *testing.T) {
	var l list
	if err := json.Unmarshal([]byte(documented), &l); err != nil {
		t.Fatal(err)
	}
	got, err := l.files("https://zenodo.org/api/records/7")
	want := []plugins.SourceFile{{Path: "article.pdf", Size: 76122, Sum: "md5:71449104d017a6056ac1a5fb58754975", List: "https://zenodo.org/api/records/7/files",
		Ref: "https://zenodo.org/api/records/7/files/article.pdf/content"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestOddLists(t *testing.T) {
	for text, want := range map[string]string{
		`{"enabled":true,"entries":[{"key":"a","checksum":"md5:71449104d017a6056ac1a5fb58754975"}]}`:                                        "no size",
		`{"enabled":true,"entries":[{"key":"a","checksum":"sha9:0","size":1}]}`:                                                             `checksum "sha9:0": unknown algorithm`,
		`{"enabled":true,"entries":[{"key":"a","checksum":"md5:71449104d017a6056ac1a5fb58754975","size":1,"status":"pending"}]}`:            `status is "pending"`,
		`{"enabled":true,"entries":[{"key":"../a","checksum":"md5:71449104d017a6056ac1a5fb58754975","size":1}]}`:                            "not a clean relative path",
		`{"enabled":false,"entries":[{"key":"a","checksum":"md5:71449104d017a6056ac1a5fb58754975","size":1}]}`:                              "has no files",
		`{"enabled":true,"entries":[{"key":"a","checksum":"md5:71449104d017a6056ac1a5fb58754975","size":1},{"key":"b","checksum":"md5:"}]}`: `entries[1] "b"`,
	} {
		var l list
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if _, err := l.files("x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"enabled":true,"entries":[{"key":"a/../b","checksum":"md5:71449104d017a6056ac1a5fb58754975","size":-1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l list
		if json.Unmarshal(text, &l) != nil {
			return
		}
		files, err := l.files("https://zenodo.org/api/records/7")
		for _, file := range files {
			if err == nil && (plugins.CheckPath(file.Path) != nil || file.Size < 0 || !strings.HasPrefix(file.Ref, "https://zenodo.org/api/records/7/files/")) {
				t.Errorf("%+v", file)
			}
		}
	})
}
