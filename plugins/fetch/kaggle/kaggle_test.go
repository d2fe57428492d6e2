package kaggle

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var (
	table  = bytes.Repeat([]byte("id,label\n1,2\n"), 1000)
	zipped = publisher.Zip(map[string][]byte{"inside.txt": []byte("inside")})
)

func box() *publisher.Kaggle {
	return &publisher.Kaggle{
		Datasets: map[string]map[int]map[string][]byte{
			"ann/hearts": {
				1: {"old.csv": []byte("old")},
				2: {
					"table.csv": table, "train/big table.csv": table, "train/a&b=c+1.txt": []byte("odd"), "train/x.png": []byte("\x89PNG"),
					"own.zip": zipped, "deep/empty": {},
				},
				3: {"new.csv": []byte("new")},
			},
			"ann/consent": {1: {"a.csv": []byte("a")}},
		},
		Consent:      map[string]bool{"ann/consent": true},
		Competitions: map[string]map[string][]byte{"blindness": {"train.csv": table, "images/1.png": []byte("1")}},
		Zipped:       map[string]bool{"train/big table.csv": true, "train.csv": true},
		Users: map[string]publisher.KaggleUser{
			"ann": {Key: "c4n4ry-key", Token: "KGAT_c4n4ry", Accepted: []string{"blindness"}},
			"bob": {Key: "c4n4ry-bob"},
		},
		Most: 2,
	}
}

func hosts(k http.Handler) publisher.Hosts {
	return publisher.Hosts{"www.kaggle.com": k, "storage.googleapis.com": k}
}

func lookup(pairs ...string) plugins.Env {
	return plugins.Env{Retry: plugins.Retry{Attempts: 2}, Lookup: func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}}
}

var (
	token  = lookup("KAGGLE_API_TOKEN", "KGAT_c4n4ry")
	legacy = lookup("KAGGLE_USERNAME", "ann", "KAGGLE_KEY", "c4n4ry-key")
	bob    = lookup("KAGGLE_USERNAME", "bob", "KAGGLE_KEY", "c4n4ry-bob")
	wrong  = lookup("KAGGLE_API_TOKEN", "KGAT_c4n4ry-wrong")
	nobody = lookup()
)

func fetch(t *testing.T, client *http.Client, params string, env plugins.Env) (plugintest.Files, error) {
	t.Helper()
	files, err := plugintest.Case{Plugin: Plugin(client), Params: params, Env: env}.Run(t.Context(), 2, t.TempDir())
	delete(files, "dataset.json")
	return files, err
}

// TestFetch: what comes is what was uploaded, with whichever credentials and in whichever packing.
func TestFetch(t *testing.T) {
	k := box()
	two := k.Datasets["ann/hearts"][2]
	unpacked := maps.Clone(two)
	delete(unpacked, "own.zip")
	unpacked["inside.txt"] = []byte("inside")
	for name, c := range map[string]struct {
		params string
		env    plugins.Env
		want   map[string][]byte
	}{
		"dataset":             {`{"dataset":"ann/hearts","version":2}`, nobody, two},
		"as somebody":         {`{"dataset":"ann/hearts","version":2}`, token, two},
		"an old version":      {`{"dataset":"ann/hearts","version":1}`, nobody, k.Datasets["ann/hearts"][1]},
		"archive":             {`{"dataset":"ann/hearts","version":2,"archive":true}`, nobody, two},
		"part of an archive":  {`{"dataset":"ann/hearts","version":2,"archive":true,"include":["*.csv"]}`, nobody, map[string][]byte{"table.csv": table}},
		"some":                {`{"dataset":"ann/hearts","version":2,"include":["train/**"],"exclude":["**/*.png","**/a*"]}`, nobody, map[string][]byte{"train/big table.csv": table}},
		"unpacked":            {`{"dataset":"ann/hearts","version":2,"unpack":["*.zip"]}`, nobody, unpacked},
		"consent":             {`{"dataset":"ann/consent","version":1}`, legacy, k.Datasets["ann/consent"][1]},
		"competition":         {`{"competition":"blindness"}`, token, k.Competitions["blindness"]},
		"with the legacy key": {`{"competition":"blindness"}`, legacy, k.Competitions["blindness"]},
		"competition archive": {`{"competition":"blindness","archive":true}`, token, k.Competitions["blindness"]},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fetch(t, hosts(k).Client(t), c.params, c.env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := plugintest.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCredentialsStayAtHome: whoever is asked but Kaggle itself sees none, and Kaggle sees them.
func TestCredentialsStayAtHome(t *testing.T) {
	b := hosts(box()).Open(t)
	if _, err := fetch(t, b.Client, `{"competition":"blindness"}`, token); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range b.Requests() {
		seen[r.URL.Host+" "+r.Header.Get("Authorization")]++
	}
	if got, want := slices.Sorted(maps.Keys(seen)), []string{"storage.googleapis.com ", "www.kaggle.com Bearer KGAT_c4n4ry"}; !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// TestRefusals: an error says what a person does about it, and holds no secret.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		params string
		env    plugins.Env
		fault  publisher.Fault // of Kaggle itself
		code   plugins.Code
		says   string
	}{
		"rules":               {`{"competition":"blindness"}`, bob, nil, plugins.FaultForbidden, "accept the rules at https://www.kaggle.com/competitions/blindness/rules"},
		"rules of an archive": {`{"competition":"blindness","archive":true}`, bob, nil, plugins.FaultForbidden, "accept the rules at https://www.kaggle.com/competitions/blindness/rules"},
		"nobody":              {`{"competition":"blindness"}`, nobody, nil, plugins.FaultUnauthorized, "KAGGLE_API_TOKEN is not set"},
		"wrong token":         {`{"dataset":"ann/hearts","version":2}`, wrong, nil, plugins.FaultUnauthorized, "check that KAGGLE_API_TOKEN"},
		"consent":             {`{"dataset":"ann/consent","version":1}`, nobody, nil, plugins.FaultForbidden, "look at https://www.kaggle.com/datasets/ann/consent/versions/1"},
		"no such version":     {`{"dataset":"ann/hearts","version":9}`, token, nil, plugins.FaultAbsent, "look at https://www.kaggle.com/datasets/ann/hearts/versions/9"},
		"no such dataset":     {`{"dataset":"ann/other","version":1}`, token, nil, plugins.FaultAbsent, "404"},
		"too often":           {`{"dataset":"ann/hearts","version":2}`, token, publisher.Busy(600), plugins.FaultBusy, "429"},
		"web page":            {`{"dataset":"ann/hearts","version":2}`, token, publisher.Page, plugins.FaultNotData, "Log in to Publisher"},
	} {
		t.Run(name, func(t *testing.T) {
			k := box()
			h := hosts(k)
			if c.fault != nil {
				h["www.kaggle.com"] = publisher.Faulty(k, c.fault)
			}
			_, err := fetch(t, h.Client(t), c.params, c.env)
			if err == nil || plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v with code %q; want %q and %q", err, plugins.FaultCode(err), c.says, c.code)
			}
			if strings.Contains(err.Error(), "c4n4ry") || strings.Contains(err.Error(), "Signature") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
}

// TestListIsHeld: bytes that are neither the listed file nor a zip of it are refused.
func TestListIsHeld(t *testing.T) {
	for name, said := range map[string]string{"shorter": `"totalBytes":2}`, "longer": `"totalBytes":4}`} {
		t.Run(name, func(t *testing.T) {
			k := box()
			h := hosts(k)
			h["www.kaggle.com"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/list/") {
					_, _ = w.Write([]byte(`{"datasetFiles":[{"name":"old.csv",` + said + `]}`))
					return
				}
				k.ServeHTTP(w, r)
			})
			_, err := fetch(t, h.Client(t), `{"dataset":"ann/hearts","version":1}`, nobody)
			var mismatch *plugins.MismatchError
			if !errors.As(err, &mismatch) || plugins.FaultCode(err) != plugins.FaultWrongSize {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestEndlessList: a list that goes in a circle is refused.
func TestEndlessList(t *testing.T) {
	h := publisher.Hosts{"www.kaggle.com": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"datasetFiles":[{"name":"a","totalBytes":1}],"nextPageToken":"again"}`))
	})}
	if _, err := fetch(t, h.Client(t), `{"dataset":"ann/hearts","version":1}`, nobody); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Errorf("got %v", err)
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		params string
		env    plugins.Env
		want   int
	}{
		{`{"competition":"blindness"}`, nobody, 1},
		{`{"competition":"blindness"}`, lookup("KAGGLE_USERNAME", "ann"), 1},
		{`{"competition":"blindness"}`, legacy, 0},
		{`{"competition":"blindness"}`, token, 0},
		{`{"dataset":"ann/hearts","version":2}`, nobody, 0},
	} {
		got, err := Plugin(nil).Missing(t.Context(), []byte(c.params), c.env)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %v, %v; want %d", c.params, got, err, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: "one of dataset and competition",
		`{"dataset":"a/b","version":1,"competition":"c"}`: "one of dataset and competition",
		`{"dataset":"a/b"}`: "version is 0",
		`{"dataset":"https://evil.example/a","version":1}`:            "want owner/name",
		`{"dataset":"a/../b","version":1}`:                            "want owner/name",
		`{"competition":"a/b"}`:                                       "want its name",
		`{"competition":"a","version":1}`:                             "has none",
		`{"competition":"a","archive":true,"unpack":["*"]}`:           "there is no list",
		`{"dataset":"a/b","version":1,"include":["["]}`:               "pattern",
		`{"dataset":"a/b","version":1,"host":"https://evil.example"}`: "unknown field",
	} {
		if _, err := Plugin(nil).Normalise([]byte(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", params, err, want)
		}
	}
}

// FuzzWraps: whatever comes, it is either a zip of the listed file or not, and nothing is written outside its place.
func FuzzWraps(f *testing.F) {
	f.Add(publisher.Zip(map[string][]byte{"a/b.csv": table}), "a/b.csv")
	f.Add(publisher.Zip(map[string][]byte{"b.csv": table}), "a/b.csv")
	f.Add(publisher.Zip(map[string][]byte{"../b.csv": table}), "b.csv")
	f.Add(zipped, "own.zip")
	f.Add(table, "table.csv")
	f.Add([]byte("PK\x03\x04"), "x")
	f.Fuzz(func(t *testing.T, data []byte, listed string) {
		size := wraps(bytes.NewReader(data), int64(len(data)), listed)
		if size < -1 {
			t.Fatalf("size %d", size)
		}
		out := &onePlace{want: listed}
		file := unwrapped(plugins.SourceFile{Path: listed, Size: max(size, 0), Ref: "r"})
		if err := file.Expand(t.Context(), bytes.NewReader(data), int64(len(data)), out); err == nil && int64(out.Len()) != max(size, 0) {
			t.Errorf("%d bytes, want %d", out.Len(), size)
		}
		if out.other != "" {
			t.Errorf("wrote %q beside %q", out.other, listed)
		}
	})
}

// TestStorageSum: the list has no checksums, but Kaggle's storage says one with the bytes.
func TestStorageSum(t *testing.T) {
	for name, c := range map[string]struct {
		fault publisher.Fault
		code  plugins.Code
	}{
		"damaged once":     {publisher.First(1, publisher.FlipAt(1)), ""},
		"damaged for good": {publisher.FlipAt(1), plugins.FaultDiffers},
		"none":             {publisher.None, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := box()
			h := hosts(k)
			h["storage.googleapis.com"] = publisher.Faulty(k, c.fault)
			var notes []string
			files, err := plugintest.Case{Plugin: Plugin(h.Client(t)), Params: `{"dataset":"ann/hearts","version":1}`, Env: nobody, Progress: func(p plugins.Progress) {
				notes = append(notes, p.Note)
			}}.Run(t.Context(), 1, t.TempDir())
			if plugins.FaultCode(err) != c.code || c.code != "" && !strings.Contains(err.Error(), "md5") {
				t.Fatalf("got %v, want code %q", err, c.code)
			}
			if err == nil && string(files["old.csv"]) != "old" {
				t.Errorf("got %q", files["old.csv"])
			}
			if damaged := strings.Contains(strings.Join(notes, "\n"), string(plugins.FaultDamaged)); damaged != (name != "none") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}
