package azure_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/azure"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const (
	aimi = "aimistanforddatasets01.blob.core.windows.net"
	at   = "https://" + aimi + "/"
)

func tree() map[string][]byte {
	return map[string][]byte{
		"batch 2 (train 1+2)#%41.zip": []byte(strings.Repeat("Z", 5000)), "test/ü.csv": []byte("U"), "test/empty": {}, "test/blocks.bin": []byte("B"),
	}
}

func stanford() *publisher.Azure {
	blobs := map[string]publisher.AzureBlob{"data/test": {Folder: true}, "datax/other": {Data: []byte("X")}}
	for path, data := range tree() {
		blobs["data/"+path] = publisher.AzureBlob{Data: data, NoMD5: path == "test/blocks.bin"}
	}
	return &publisher.Azure{
		Account: "aimistanforddatasets01", Key: []byte("s3cret key"), Page: 2,
		Containers: map[string]publisher.AzureContainer{"chexpert-2": {Blobs: blobs}, "open": {Blobs: blobs, Public: true}},
	}
}

func env(token string) plugins.Env {
	return plugins.Env{
		Retry:  plugins.Retry{Attempts: 2, Wait: func(context.Context, int, time.Duration) error { return nil }},
		Lookup: func(name string) (string, bool) { return token, token != "" && name == "AZURE_STORAGE_SAS_TOKEN" },
	}
}

func fetch(t *testing.T, site *publisher.Azure, params, token string) (plugintest.Files, *publisher.Box, error) {
	t.Helper()
	box := publisher.Hosts{aimi: site}.Open(t)
	files, err := plugintest.Case{Plugin: azure.Plugin(box.Client), Params: params, Env: env(token)}.Run(t.Context(), 2, t.TempDir())
	if err != nil && (strings.Contains(err.Error(), "sig=") || strings.Contains(err.Error(), "s3cret")) {
		t.Errorf("error holds a secret: %v", err)
	}
	return files, box, err
}

// same says whether what was fetched is a tree.
func same(t *testing.T, want map[string][]byte, got plugintest.Files) {
	t.Helper()
	if diff := plugintest.Diff(want, got.Fetched()); diff != "" {
		t.Error(diff)
	}
}

func soon() time.Time { return time.Now().Add(time.Hour) }

func TestFetch(t *testing.T) {
	site := stanford()
	link := at + "chexpert-2?" + site.SAS("chexpert-2", soon())
	other := at + "echonet?" + site.SAS("echonet", soon())
	for name, c := range map[string]struct{ params, token string }{
		"link":      {`{"container":"chexpert-2","prefix":"data/","signed":true}`, link},
		"links":     {`{"container":"chexpert-2","prefix":"data/","signed":true}`, other + "\n" + link + " \n"},
		"token":     {`{"container":"chexpert-2","prefix":"data/","signed":true}`, site.SAS("chexpert-2", soon())},
		"with mark": {`{"container":"chexpert-2","prefix":"data/","signed":true}`, "?" + site.SAS("chexpert-2", soon())},
		"open":      {`{"container":"open","prefix":"data/"}`, link},
	} {
		t.Run(name, func(t *testing.T) {
			files, box, err := fetch(t, site, c.params, c.token)
			if err != nil {
				t.Fatal(err)
			}
			same(t, tree(), files)
			for _, r := range box.Requests() {
				if signed := r.URL.Query().Has("sig"); signed != strings.Contains(c.params, "signed") || r.Header.Get("X-Ms-Version") == "" {
					t.Errorf("%s", r)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	site := stanford()
	reads := url.Values{}
	for name, values := range must(url.ParseQuery(site.SAS("chexpert-2", soon()))) {
		reads[name] = values
	}
	reads.Set("sp", "r")
	for name, c := range map[string]struct {
		params, token string
		code          plugins.Code
		says          string
		asks          bool
	}{
		"none":          {`{"container":"chexpert-2","signed":true}`, "", plugins.FaultUnauthorized, "AZURE_STORAGE_SAS_TOKEN is not set", false},
		"of another":    {`{"container":"chexpert-2","signed":true}`, at + "echonet?" + site.SAS("echonet", soon()), plugins.FaultUnauthorized, "AZURE_STORAGE_SAS_TOKEN has no link to " + at + "chexpert-2", false},
		"other account": {`{"account":"strange","container":"chexpert-2","signed":true}`, site.SAS("chexpert-2", soon()), plugins.FaultUnauthorized, "has no link to https://strange.blob.core.windows.net/chexpert-2", false},
		"nonsense":      {`{"container":"chexpert-2","signed":true}`, "s3cret", plugins.FaultUnauthorized, "has no link", false},
		"expired":       {`{"container":"chexpert-2","signed":true}`, site.SAS("chexpert-2", time.Now().Add(-time.Hour)), plugins.FaultUnauthorized, "has expired; get a new one", false},
		"forged":        {`{"container":"chexpert-2","signed":true}`, at + "chexpert-2?" + site.SAS("echonet", soon()), plugins.FaultUnauthorized, "AuthenticationFailed: the link in AZURE_STORAGE_SAS_TOKEN is wrong", true},
		"not open":      {`{"container":"chexpert-2"}`, "", plugins.FaultForbidden, "not open to everybody; ask with AZURE_STORAGE_SAS_TOKEN", true},
		"gone":          {`{"container":"echonet","signed":true}`, at + "echonet?" + site.SAS("echonet", soon()), plugins.FaultAbsent, "there is no such container", true},
		"other rights":  {`{"container":"chexpert-2","signed":true}`, reads.Encode(), plugins.FaultUnauthorized, "AuthenticationFailed", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, box, err := fetch(t, site, c.params, c.token)
			if plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v with code %q, want %q with %q", err, plugins.FaultCode(err), c.code, c.says)
			}
			if n, _ := box.Asked(); (n > 0) != c.asks {
				t.Errorf("%d requests", n)
			}
			missing, err := azure.Plugin(nil).Missing(t.Context(), json.RawMessage(c.params), env(c.token))
			if err != nil || (len(missing) == 0) != c.asks {
				t.Errorf("missing: %v, %v", missing, err)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestPinned: a blob is fetched only as it was listed.
func TestPinned(t *testing.T) {
	site := stanford()
	change := publisher.Script(func(_ int, r *http.Request) publisher.Fault {
		if strings.HasSuffix(r.URL.Path, ".csv") {
			site.Containers["open"].Blobs["data/test/ü.csv"] = publisher.AzureBlob{Data: []byte("V")}
		}
		return nil
	})
	box := publisher.Hosts{aimi: publisher.Faulty(site, change)}.Open(t)
	_, err := plugintest.Case{Plugin: azure.Plugin(box.Client), Params: `{"container":"open"}`, Env: env("")}.Run(t.Context(), 2, t.TempDir())
	if plugins.FaultCode(err) != plugins.FaultChanged || !strings.Contains(err.Error(), "it is no longer what was listed") {
		t.Errorf("error %v", err)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: "container is required",
		`{"account":"example.org/","container":"abc"}`: `account "example.org/": want the name`,
		`{"container":"a/b"}`:                          `container "a/b": want the name`,
		`{"container":"abc?sig=x"}`:                    "want the name of a container",
		`{"container":"abc","prefix":"x"}`:             "want a folder, which ends in a slash",
		`{"container":"abc","include":["["]}`:          `pattern "["`,
		`{"container":"abc","endpoint":"https://x"}`:   "unknown field",
	} {
		if _, err := azure.Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	files, _, err := fetch(t, stanford(), `{"container":"open","prefix":"data/"}`, "")
	if err != nil {
		t.Fatal(err)
	}
	const want = digest.Digest("sha256:da62b5276b4da89fd7abe8c7bc0eb72ad4727a2411ac3fc009e6dbb53b7273e5")
	if got := files.Root(); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}

// world is a container that changes. Its list never contradicts its blobs.
func world(params string) sourcetest.World {
	blobs := map[string]publisher.AzureBlob{}
	put := func(path string, data []byte) { blobs["d/"+path] = publisher.AzureBlob{Data: data} }
	put("large.bin", sourcetest.Random(sourcetest.Large, 1))
	put("sub/small (1+2).bin", sourcetest.Random(sourcetest.Small, 2))
	put("note", []byte("note"))
	site := &publisher.Azure{Account: "aimistanforddatasets01", Key: []byte("key"), Page: 2}
	site.Containers = map[string]publisher.AzureContainer{"canaries": {Blobs: blobs, Public: !strings.Contains(params, "signed")}}
	files := map[string][]byte{}
	for name, b := range blobs {
		files[strings.TrimPrefix(name, "d/")] = b.Data
	}
	w := sourcetest.World{
		Params: params, Files: maps.Clone(files), Hosts: publisher.Hosts{aimi: site},
		Data: func(u *url.URL) string {
			file, _ := strings.CutPrefix(u.Path, "/canaries/d/")
			if _, ok := blobs["d/"+file]; !ok {
				return ""
			}
			return file
		},
		Sums: true, Versions: true,
		Replace: func() { put("large.bin", sourcetest.Random(sourcetest.Large, 4)) },
		Add:     func() { put("new.bin", []byte("new")) },
		Remove:  func() { delete(blobs, "d/note") },
	}
	if strings.Contains(params, "signed") {
		w.Secrets = map[string]string{"AZURE_STORAGE_SAS_TOKEN": site.SAS("canaries", time.Now().AddDate(0, 0, 29))}
		w.Trusted = []string{aimi}
	}
	return w
}

func TestSource(t *testing.T) {
	for name, params := range map[string]string{
		"open": `{"container":"canaries","prefix":"d/"}`, "signed": `{"container":"canaries","prefix":"d/","signed":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Case{Plugin: azure.Plugin, Open: func() sourcetest.World { return world(params) }})
		})
	}
}
