package physionet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/physionet"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const mirror = "physionet-open.s3.us-east-1.amazonaws.com"

// tree is a project with names that have to be escaped in an address.
func tree() map[string][]byte {
	return map[string][]byte{
		"RECORDS": []byte("records100/1\n"), "records100/1.hea": []byte("H"), "records100/1.dat": []byte(strings.Repeat("D", 5000)),
		"notes (v1+2)#.txt": []byte("N"), "empty.txt": {},
	}
}

func site() *publisher.PhysioNet {
	return &publisher.PhysioNet{
		Projects: map[string]publisher.PhysioNetProject{
			"ptb-xl/1.0.3":  {Files: tree()},
			"mimiciv/2.2":   {Files: tree(), Readers: []string{"alice"}},
			"vindr-cxr/1.0": {Files: tree(), Readers: []string{"carol"}},
		},
		Users: map[string]string{"alice": "s3cret-word", "bob": "s3cret-too"},
	}
}

// bucket is the mirror.
func bucket(files map[string][]byte) *publisher.S3 {
	objects := map[string]publisher.S3Object{}
	for path, data := range files {
		objects["ptb-xl/1.0.3/"+path] = publisher.S3Object{Data: data}
	}
	return &publisher.S3{Buckets: map[string]*publisher.S3Bucket{"physionet-open": {Objects: objects}}}
}

func noWait(context.Context, int, time.Duration) error { return nil }

// env is one who tries twice and has a user name and a password, if they are not "".
func env(user, password string) plugins.Env {
	return plugins.Env{Retry: plugins.Retry{Attempts: 2, Wait: noWait}, Lookup: func(name string) (string, bool) {
		v := map[string]string{"PHYSIONET_USERNAME": user, "PHYSIONET_PASSWORD": password}[name]
		return v, v != ""
	}}
}

func fetch(t *testing.T, hosts publisher.Hosts, params string, e plugins.Env) (plugintest.Files, *publisher.Box, error) {
	t.Helper()
	box := hosts.Open(t)
	files, err := plugintest.Case{Plugin: physionet.Plugin(box.Client), Params: params, Env: e}.Run(t.Context(), 2, t.TempDir())
	if err != nil && strings.Contains(err.Error(), "s3cret") {
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

func TestOpen(t *testing.T) {
	files, box, err := fetch(t, publisher.Hosts{"physionet.org": site()}, `{"project":"ptb-xl","version":"1.0.3"}`, env("alice", "s3cret-word"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, tree(), files)
	for _, r := range box.Requests() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("User-Agent") != "cairn" {
			t.Errorf("%s has authorization %q and agent %q", r, r.Header.Get("Authorization"), r.Header.Get("User-Agent"))
		}
	}
	var doc document.Dataset
	if err := json.Unmarshal(files[document.DatasetFile], &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"plugin": "fetch/physionet@1", "project": "ptb-xl", "version": "1.0.3",
		"page": "https://physionet.org/content/ptb-xl/1.0.3/", "sums": "https://physionet.org/files/ptb-xl/1.0.3/SHA256SUMS.txt",
	}
	if diff := cmp.Diff(want, doc.Source); diff != "" {
		t.Error(diff)
	}
}

func TestPick(t *testing.T) {
	files, _, err := fetch(t, publisher.Hosts{"physionet.org": site()}, `{"project":"ptb-xl","version":"1.0.3","include":["records100/**","RECORDS"],"exclude":["**/*.dat"]}`, env("", ""))
	if err != nil {
		t.Fatal(err)
	}
	want := tree()
	same(t, map[string][]byte{"RECORDS": want["RECORDS"], "records100/1.hea": want["records100/1.hea"]}, files)
}

// TestMirror: the files come from Amazon, what they are from PhysioNet.
func TestMirror(t *testing.T) {
	params := `{"project":"ptb-xl","version":"1.0.3","mirror":"s3"}`
	files, box, err := fetch(t, publisher.Hosts{"physionet.org": site(), mirror: bucket(tree())}, params, env("", ""))
	if err != nil {
		t.Fatal(err)
	}
	same(t, tree(), files)
	asked := map[string]int{} // the empty file twice, since Amazon has no part of it
	for _, r := range box.Requests() {
		asked[r.URL.Host]++
	}
	if diff := cmp.Diff(map[string]int{"physionet.org": 1, mirror: 6}, asked); diff != "" {
		t.Error(diff)
	}
	other := tree()
	other["records100/1.hea"] = []byte("X")
	_, _, err = fetch(t, publisher.Hosts{"physionet.org": site(), mirror: bucket(other)}, params, env("", ""))
	if plugins.FaultCode(err) != plugins.FaultDiffers || !strings.Contains(err.Error(), "records100/1.hea") {
		t.Errorf("a mirror with another file: %v", err)
	}
}

func TestAccess(t *testing.T) {
	for _, c := range []struct {
		name, params   string
		user, password string
		code           plugins.Code // "" if the files come
		says           string
	}{
		{"credentialed", `{"project":"mimiciv","version":"2.2","access":"credentialed"}`, "alice", "s3cret-word", "", ""},
		{"restricted", `{"project":"mimiciv","version":"2.2","access":"restricted"}`, "alice", "s3cret-word", "", ""},
		{"open after all", `{"project":"ptb-xl","version":"1.0.3","access":"credentialed"}`, "alice", "s3cret-word", "", ""},
		{"wrong password", `{"project":"mimiciv","version":"2.2","access":"credentialed"}`, "alice", "s3cret-too", plugins.FaultUnauthorized, "check that PHYSIONET_USERNAME and PHYSIONET_PASSWORD are right"},
		{"nothing signed", `{"project":"mimiciv","version":"2.2","access":"credentialed"}`, "bob", "s3cret-too", plugins.FaultForbidden, "signed the agreement at the foot of https://physionet.org/content/mimiciv/2.2/"},
		{"no password", `{"project":"mimiciv","version":"2.2","access":"credentialed"}`, "alice", "", plugins.FaultUnauthorized, "PHYSIONET_PASSWORD is not set"},
		{"not open", `{"project":"mimiciv","version":"2.2"}`, "alice", "s3cret-word", plugins.FaultForbidden, "the project may not be open (access)"},
		{"no such version", `{"project":"ptb-xl","version":"9.9"}`, "", "", plugins.FaultAbsent, "404 Not Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, _, err := fetch(t, publisher.Hosts{"physionet.org": site()}, c.params, env(c.user, c.password))
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				same(t, tree(), files)
			} else if plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v with code %q, want %q with %q", err, plugins.FaultCode(err), c.code, c.says)
			}
		})
	}
}

// TestPasswordStays: it goes to physionet.org, and not along a redirect from there.
func TestPasswordStays(t *testing.T) {
	away := publisher.Script(func(_ int, r *http.Request) publisher.Fault {
		if strings.HasSuffix(r.URL.Path, ".txt") {
			return nil
		}
		return publisher.Status(302, "Location", "https://files.example.org"+r.URL.Path)
	})
	elsewhere := site()
	elsewhere.Projects["mimiciv/2.2"] = publisher.PhysioNetProject{Files: tree()}
	_, box, err := fetch(t, publisher.Hosts{"physionet.org": publisher.Faulty(site(), away), "files.example.org": elsewhere},
		`{"project":"mimiciv","version":"2.2","access":"credentialed","exclude":["*"]}`, env("alice", "s3cret-word"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, r := range box.Requests() {
		if r.URL.Host == "files.example.org" {
			seen++
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s has the password", r)
			}
		}
	}
	if seen == 0 {
		t.Error("nobody was redirected")
	}
}

func TestMissing(t *testing.T) {
	plugin := physionet.Plugin(nil)
	for _, c := range []struct {
		params         string
		user, password string
		want           string
	}{
		{`{"project":"a","version":"1"}`, "", "", ""},
		{`{"project":"a","version":"1","access":"restricted"}`, "u", "p", ""},
		{`{"project":"a","version":"1","access":"restricted"}`, "u", "", "credentials PHYSIONET_USERNAME and PHYSIONET_PASSWORD https://physionet.org/content/a/1/"},
	} {
		missing, err := plugin.Missing(t.Context(), json.RawMessage(c.params), env(c.user, c.password))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range missing {
			got += m.What + " " + m.Page
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.params, got, c.want)
		}
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                                              "project is required",
		`{"project":"PTB-XL"}`:                            `project "PTB-XL": want the name in the project's address`,
		`{"project":"../x","version":"1"}`:                "want the name in the project's address",
		`{"project":"ptb-xl"}`:                            "version is required",
		`{"project":"a","version":"latest"}`:              `version "latest": want the number of a version`,
		`{"project":"a","version":"1/../2"}`:              "want the number of a version",
		`{"project":"a","version":"1","access":"public"}`: `access "public": want one of open, restricted, credentialed, contributor-review`,
		`{"project":"a","version":"1","mirror":"gcs"}`:    `mirror "gcs": want s3 or nothing`,
		`{"project":"a","version":"1","access":"credentialed","mirror":"s3"}`: "mirror s3 has open projects only",
		`{"project":"a","version":"1","include":["["]}`:                       `pattern "["`,
		`{"project":"a","version":"1","base":"https://example.org"}`:          "unknown field",
	} {
		if _, err := physionet.Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

// TestRealProject fetches what of a real project lies here, by the list that PhysioNet gives for it. Its headers
// lost their carriage returns in git, which the list finds out.
func TestRealProject(t *testing.T) {
	real := publisher.Shared(t, "gaitndd")
	params := physionet.Params{Project: "gaitndd", Version: "1.0.0", Access: "open", Params: pick.Params{Exclude: []string{"SHA256SUMS.txt", "subject-description.txt"}}}
	for path := range real {
		params.Include = append(params.Include, path)
	}
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	one := `{"project":"gaitndd","version":"1.0.0","include":["als2.hea"]}`
	hosts := publisher.Hosts{"physionet.org": &publisher.PhysioNet{Projects: map[string]publisher.PhysioNetProject{"gaitndd/1.0.0": {Files: real}}}}
	if _, _, err := fetch(t, hosts, one, env("", "")); plugins.FaultCode(err) != plugins.FaultDiffers {
		t.Errorf("without carriage returns: %v", err)
	}
	for path, data := range real {
		if strings.HasSuffix(path, ".hea") {
			real[path] = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
		}
	}
	files, _, err := fetch(t, hosts, string(text), env("", ""))
	if err != nil {
		t.Fatal(err)
	}
	delete(real, "SHA256SUMS.txt")
	delete(real, "subject-description.txt")
	same(t, real, files)
	if len(real) < 100 {
		t.Errorf("only %d files", len(real))
	}
}

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	for _, params := range []string{`{"project":"ptb-xl","version":"1.0.3"%s}`, `{"project":"ptb-xl","version":"1.0.3","mirror":"s3"%s}`} {
		files, _, err := fetch(t, publisher.Hosts{"physionet.org": site(), mirror: bucket(tree())}, fmt.Sprintf(params, ""), env("", ""))
		if err != nil {
			t.Fatal(err)
		}
		const want = digest.Digest("sha256:84652697fb1be612d643ed94bb4e2e922125cf16fac813454d7902a52d069552")
		if got := files.Fetched().Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}
