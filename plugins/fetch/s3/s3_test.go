package s3_test

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
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/fetch/s3"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const (
	id     = "AKIAIOSFODNN7EXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	token  = "s3cret+session/token="
	point  = "arn:aws:s3:us-east-1:184438910517:accesspoint/bdsp-psg-access-point"
)

// tree is what lies under psg/.
func tree() map[string][]byte {
	return map[string][]byte{
		"a.edf": []byte(strings.Repeat("A", 5000)), "sub/b (1+2)#%41.txt": []byte("B"), "sub/ü.txt": []byte("U"), "sub/empty": {}, "sub/parts.bin": []byte("parts of it"),
	}
}

// amazon has tree in an open bucket, in one for who has the key, in one that its readers pay for and behind an access
// point.
func amazon() *publisher.S3 {
	objects := map[string]publisher.S3Object{"psg/": {}, "psg/sub/": {}, "psgx/other": {Data: []byte("X")}, "top": {Data: []byte("T")}}
	for path, data := range tree() {
		o := publisher.S3Object{Data: data, SHA256: path == "a.edf" || path == "sub/parts.bin"}
		if path == "sub/parts.bin" {
			o.Part = 4
		}
		objects["psg/"+path] = o
	}
	locked := maps.Clone(objects)
	locked["psg/sub/kms.txt"] = publisher.S3Object{Data: []byte("K"), KMS: true}
	return &publisher.S3{
		Keys: map[string]publisher.S3Key{
			id:         {Secret: secret},
			"ASIATEMP": {Secret: "s3cret-temporary", Session: token},
			"ASIAOLD":  {Secret: "s3cret-temporary", Session: token, Expires: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
			"AKIAELSE": {Secret: "s3cret-else"},
		},
		Buckets: map[string]*publisher.S3Bucket{
			"open": {Objects: objects}, "do.ts": {Objects: objects}, "eu-data": {Objects: objects, Region: "eu-west-1"},
			"locked": {Objects: locked, Readers: []string{id, "ASIATEMP", "ASIAOLD"}, AccessPoints: []string{"bdsp-psg-access-point-184438910517"}},
			"paid":   {Objects: objects, RequesterPays: true},
		},
		Page: 3,
	}
}

func env(credentials ...string) plugins.Env {
	names := []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
	return plugins.Env{
		Retry: plugins.Retry{Attempts: 2, Wait: func(context.Context, int, time.Duration) error { return nil }},
		Lookup: func(name string) (string, bool) {
			for i, value := range credentials {
				if names[i] == name {
					return value, true
				}
			}
			return "", false
		},
	}
}

func fetch(t *testing.T, params string, e plugins.Env) (plugintest.Files, *publisher.Box, error) {
	t.Helper()
	store := amazon()
	box := publisher.Hosts{"*.amazonaws.com": store, "s3.example.org": store}.Open(t)
	files, err := plugintest.Case{Plugin: s3.Plugin(box.Client), Params: params, Env: e}.Run(t.Context(), 2, t.TempDir())
	if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), secret)) {
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

func TestFetch(t *testing.T) {
	locked := tree()
	locked["sub/kms.txt"] = []byte("K")
	for name, c := range map[string]struct {
		params      string
		credentials []string
		want        map[string][]byte
		host        string
	}{
		"open":           {`{"bucket":"open","prefix":"psg/"}`, nil, tree(), "open.s3.us-east-1.amazonaws.com"},
		"dots":           {`{"bucket":"do.ts","prefix":"psg/"}`, nil, tree(), "s3.us-east-1.amazonaws.com"},
		"region":         {`{"bucket":"eu-data","region":"eu-west-1","prefix":"psg/"}`, nil, tree(), "eu-data.s3.eu-west-1.amazonaws.com"},
		"signed":         {`{"bucket":"locked","prefix":"psg/","signed":true}`, []string{id, secret}, locked, "locked.s3.us-east-1.amazonaws.com"},
		"temporary":      {`{"bucket":"locked","prefix":"psg/","signed":true}`, []string{"ASIATEMP", "s3cret-temporary", token}, locked, "locked.s3.us-east-1.amazonaws.com"},
		"access point":   {`{"bucket":"` + point + `","prefix":"psg/","signed":true}`, []string{id, secret}, locked, "bdsp-psg-access-point-184438910517.s3-accesspoint.us-east-1.amazonaws.com"},
		"requester pays": {`{"bucket":"paid","prefix":"psg/","signed":true,"requester_pays":true}`, []string{"AKIAELSE", "s3cret-else"}, tree(), "paid.s3.us-east-1.amazonaws.com"},
		"elsewhere":      {`{"bucket":"open","prefix":"psg/","endpoint":"https://s3.example.org"}`, []string{id, secret}, tree(), "s3.example.org"},
		"no prefix":      {`{"bucket":"open","include":["top","psgx/**"]}`, nil, map[string][]byte{"top": []byte("T"), "psgx/other": []byte("X")}, "open.s3.us-east-1.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			files, box, err := fetch(t, c.params, env(c.credentials...))
			if err != nil {
				t.Fatal(err)
			}
			same(t, c.want, files)
			for _, r := range box.Requests() {
				if signed := strings.Contains(c.params, "signed"); r.URL.Host != c.host || signed != (r.Header.Get("Authorization") != "") {
					t.Errorf("%s has authorization %q", r, r.Header.Get("Authorization"))
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		params      string
		credentials []string
		code        plugins.Code
		says        string
	}{
		"not open":       {`{"bucket":"locked"}`, []string{id, secret}, plugins.FaultForbidden, "the bucket may want credentials (signed)"},
		"not for us":     {`{"bucket":"locked","signed":true}`, []string{"AKIAELSE", "s3cret-else"}, plugins.FaultForbidden, "check that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are right and may read the bucket"},
		"unknown":        {`{"bucket":"open","signed":true}`, []string{"AKIANONE", "s3cret"}, plugins.FaultUnauthorized, "Amazon knows no such AWS_ACCESS_KEY_ID"},
		"wrong secret":   {`{"bucket":"open","signed":true}`, []string{id, "s3cret"}, plugins.FaultUnauthorized, "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID"},
		"expired":        {`{"bucket":"locked","signed":true}`, []string{"ASIAOLD", "s3cret-temporary", token}, plugins.FaultUnauthorized, "AWS_SESSION_TOKEN has expired"},
		"no token":       {`{"bucket":"locked","signed":true}`, []string{"ASIATEMP", "s3cret-temporary"}, plugins.FaultUnauthorized, "check AWS_SESSION_TOKEN"},
		"none":           {`{"bucket":"open","signed":true}`, nil, plugins.FaultUnauthorized, "AWS_ACCESS_KEY_ID is not set"},
		"does not pay":   {`{"bucket":"paid","signed":true}`, []string{id, secret}, plugins.FaultForbidden, "may read the bucket"},
		"no such bucket": {`{"bucket":"nowhere"}`, nil, plugins.FaultAbsent, "there is no such bucket"},
		"wrong region":   {`{"bucket":"eu-data"}`, nil, plugins.FaultRedirect, "the bucket is in eu-west-1 (region)"},
		"empty":          {`{"bucket":"open","prefix":"nothing/"}`, nil, "", "it holds no file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := fetch(t, c.params, env(c.credentials...))
			if err == nil || plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v with code %q, want %q with %q", err, plugins.FaultCode(err), c.code, c.says)
			}
		})
	}
}

// TestPinned: an object is fetched only as it was listed, and a part of another one never comes into it.
func TestPinned(t *testing.T) {
	later := amazon()
	later.Buckets["open"].Objects["psg/a.edf"] = publisher.S3Object{Data: []byte(strings.Repeat("Z", 5000))}
	changed := false
	change := publisher.Script(func(_ int, r *http.Request) publisher.Fault { // of one request at a time
		if changed = changed || r.URL.Path == "/psg/a.edf" && r.Method == "GET"; changed {
			return func(http.Handler) http.Handler { return later }
		}
		return nil
	})
	box := publisher.Hosts{"*.amazonaws.com": publisher.Faulty(amazon(), change)}.Open(t)
	_, err := plugintest.Case{Plugin: s3.Plugin(box.Client), Params: `{"bucket":"open","prefix":"psg/"}`, Env: env()}.Run(t.Context(), 2, t.TempDir())
	if plugins.FaultCode(err) != plugins.FaultChanged || !strings.Contains(err.Error(), "it is no longer what was listed") {
		t.Errorf("error %v", err)
	}
}

func TestMissing(t *testing.T) {
	plugin := s3.Plugin(nil)
	for params, want := range map[string]int{`{"bucket":"open"}`: 0, `{"bucket":"open","signed":true}`: 1} {
		missing, err := plugin.Missing(t.Context(), json.RawMessage(params), env())
		if err != nil || len(missing) != want {
			t.Errorf("%s: %v, %v", params, missing, err)
		}
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                                   "bucket is required",
		`{"bucket":"b","prefix":"x"}`:          "want a folder, which ends in a slash",
		`{"bucket":"b","requester_pays":true}`: "requester_pays: Amazon bills only who signs",
		`{"bucket":"b","signed":true,"endpoint":"https://s3.example.org"}`:     "credentials are for Amazon only",
		`{"bucket":"b","endpoint":"http://s3.example.org"}`:                    "want an https address",
		`{"bucket":"b","endpoint":"https://u:s3cret@s3.example.org"}`:          "want a scheme and a host only",
		`{"bucket":"b","endpoint":"https://s3.example.org/x"}`:                 "want a scheme and a host only",
		`{"bucket":"b","endpoint":"https://s3cret:%zz"}`:                       "endpoint: it is malformed",
		`{"bucket":"b","region":"x.example.org/"}`:                             "which is not Amazon's",
		`{"bucket":"b","region":"x.example.org#"}`:                             "which is not Amazon's",
		`{"bucket":"arn:aws:s3:us-east-1:1:accesspoint"}`:                      "bucket \"arn:aws",
		`{"bucket":"` + point + `","region":"eu-west-1"}`:                      `the access point is in "us-east-1"`,
		`{"bucket":"arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap"}`: "bucket",
		`{"bucket":"x--use1-az4--x-s3"}`:                                       "not a directory bucket",
		`{"bucket":"b","include":["["]}`:                                       `pattern "["`,
	} {
		if _, err := s3.Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

// TestGolden: however bytes are brought, version 1 of the plugin makes these files of them.
func TestGolden(t *testing.T) {
	files, _, err := fetch(t, `{"bucket":"open","prefix":"psg/"}`, env())
	if err != nil {
		t.Fatal(err)
	}
	const want = digest.Digest("sha256:08e50af9965e0151febe42b52ec42bc9148b3930816c27084d2f9d36d511ba26")
	if got := files.Root(); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}

// world is a bucket that changes, with objects like one. An S3 bucket's list never contradicts its objects.
func world(params string, like publisher.S3Object) sourcetest.World {
	objects := map[string]publisher.S3Object{}
	put := func(path string, data []byte) {
		o := like
		o.Data = data
		objects["d/"+path] = o
	}
	put("large.bin", sourcetest.Random(sourcetest.Large, 1))
	put("sub/small (1+2).bin", sourcetest.Random(sourcetest.Small, 2))
	put("note", []byte("note"))
	bucket := &publisher.S3Bucket{Objects: objects}
	files := map[string][]byte{}
	for key, o := range objects {
		files[strings.TrimPrefix(key, "d/")] = o.Data
	}
	w := sourcetest.World{
		Params: params, Files: files,
		Hosts: publisher.Hosts{"*.amazonaws.com": &publisher.S3{
			Buckets: map[string]*publisher.S3Bucket{"canaries": bucket}, Page: 2,
			Keys: map[string]publisher.S3Key{"canary-id": {Secret: "canary secret/1", Session: "canary session/1"}},
		}},
		Data: func(u *url.URL) string {
			file, _ := strings.CutPrefix(u.Path, "/d/")
			if _, ok := objects["d/"+file]; !ok {
				return ""
			}
			return file
		},
		Sums: !like.KMS, Versions: true,
		Replace: func() { put("large.bin", sourcetest.Random(sourcetest.Large, 4)) },
		Add:     func() { put("new.bin", []byte("new")) },
		Remove:  func() { delete(objects, "d/note") },
	}
	if strings.Contains(params, "signed") {
		bucket.Readers = []string{"canary-id"}
		w.Secrets = map[string]string{"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary secret/1", "AWS_SESSION_TOKEN": "canary session/1"}
		w.Trusted = []string{"canaries.s3.us-east-1.amazonaws.com"}
		w.Terms = func() func() {
			bucket.Readers = []string{}
			return func() { bucket.Readers = []string{"canary-id"} }
		}
	}
	return w
}

func TestSource(t *testing.T) {
	const signed = "the range is signed, too: who takes it off a request breaks the signature"
	except := map[string]string{
		"fault/ignores ranges": signed, "fault/cut, then ignores ranges": signed, "fault/wrong range": signed,
		"fault/wrong range for good": signed, "fault/compressed": signed,
	}
	const open, locked = `{"bucket":"canaries","prefix":"d/"}`, `{"bucket":"canaries","prefix":"d/","signed":true}`
	for name, c := range map[string]struct {
		params string
		like   publisher.S3Object
	}{
		"open":   {open, publisher.S3Object{}},
		"parts":  {open, publisher.S3Object{Part: 3*sourcetest.Block + 7}},
		"sha256": {open, publisher.S3Object{SHA256: true}},
		"signed": {locked, publisher.S3Object{}},
		"kms":    {locked, publisher.S3Object{KMS: true}},
	} {
		t.Run(name, func(t *testing.T) {
			judged := sourcetest.Case{Plugin: s3.Plugin, Open: func() sourcetest.World { return world(c.params, c.like) }}
			if c.params == locked {
				judged.Except = except
			}
			sourcetest.Run(t, judged)
		})
	}
}
