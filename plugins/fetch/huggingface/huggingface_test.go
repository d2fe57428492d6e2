package huggingface

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func hosts(h http.Handler) publisher.Hosts {
	return publisher.Hosts{"huggingface.co": h, "cas-bridge.xethub.hf.co": h}
}

func box() *publisher.HuggingFace {
	files := map[string][]byte{
		"README.md": []byte("# hearts\n"), "data/train 1.parquet": sourcetest.Random(3000, 1), "data/a#b?.txt": []byte("odd"), "data/deep/x.bin": sourcetest.Random(100, 2),
		"own.zip": publisher.Zip(map[string][]byte{"inside.txt": []byte("inside")}),
	}
	return &publisher.HuggingFace{
		Repos: map[string]*publisher.HuggingFaceRepo{
			"datasets/ann/hearts":  {Commits: map[string]map[string][]byte{commit: files}, LFS: map[string]bool{"data/train 1.parquet": true, "data/deep/x.bin": true}},
			"ann/encoder":          {Commits: map[string]map[string][]byte{commit: {"config.json": []byte("{}")}}},
			"datasets/ann/gated":   {Commits: map[string]map[string][]byte{commit: files}, Gated: true, Granted: []string{"ann"}},
			"datasets/ann/private": {Commits: map[string]map[string][]byte{commit: files}, Private: true, Granted: []string{"ann"}},
			"datasets/ann/banned":  {Commits: map[string]map[string][]byte{commit: files}, Disabled: true},
		},
		Tokens: map[string]string{"hf_c4n4ry": "ann", "hf_c4n4ry_bob": "bob"},
		Page:   3,
	}
}

func env(token string) plugins.Env {
	return plugins.Env{Retry: plugins.Retry{Attempts: 1}, Lookup: func(name string) (string, bool) {
		return token, name == tokenVar && token != ""
	}}
}

func fetch(t *testing.T, client *http.Client, params string, token string) (plugintest.Files, error) {
	t.Helper()
	files, err := plugintest.Case{Plugin: Plugin(client), Params: params, Env: env(token)}.Run(t.Context(), 2, t.TempDir())
	delete(files, "dataset.json")
	return files, err
}

// at adds the commit to parameters.
func at(params string) string {
	return strings.TrimSuffix(params, "}") + `,"commit":"` + commit + `"}`
}

func TestFetch(t *testing.T) {
	h := box()
	all := h.Repos["datasets/ann/hearts"].Commits[commit]
	unpacked := maps.Clone(all)
	delete(unpacked, "own.zip")
	unpacked["inside.txt"] = []byte("inside")
	for name, c := range map[string]struct {
		params, token string
		want          map[string][]byte
	}{
		"as nobody":   {`{"repo":"ann/hearts"}`, "", all},
		"as somebody": {`{"repo":"ann/hearts"}`, "hf_c4n4ry", all},
		"model":       {`{"repo":"ann/encoder","type":"model"}`, "", h.Repos["ann/encoder"].Commits[commit]},
		"gated":       {`{"repo":"ann/gated","gated":true}`, "hf_c4n4ry", all},
		"private":     {`{"repo":"ann/private"}`, "hf_c4n4ry", all},
		"some":        {`{"repo":"ann/hearts","include":["data/**"],"exclude":["**/*.bin","**/*.txt"]}`, "", map[string][]byte{"data/train 1.parquet": all["data/train 1.parquet"]}},
		"unpacked":    {`{"repo":"ann/hearts","unpack":["*.zip"]}`, "", unpacked},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fetch(t, hosts(h).Client(t), at(c.params), c.token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := plugintest.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefusals: an error says what the Hub means and what a person does about it, and holds no secret.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		params, token string
		code          plugins.Code
		says          string
	}{
		"gated for nobody":  {at(`{"repo":"ann/gated"}`), "", plugins.FaultForbidden, "ask for access at https://huggingface.co/datasets/ann/gated, wait for its owner's approval if it takes one, and make a token at https://huggingface.co/settings/tokens and set HF_TOKEN"},
		"gated and known":   {at(`{"repo":"ann/gated","gated":true}`), "", plugins.FaultUnauthorized, "HF_TOKEN is not set"},
		"gated for another": {at(`{"repo":"ann/gated"}`), "hf_c4n4ry_bob", plugins.FaultForbidden, "ask for access at https://huggingface.co/datasets/ann/gated"},
		"wrong token":       {at(`{"repo":"ann/hearts"}`), "hf_c4n4ry_old", plugins.FaultUnauthorized, "check that HF_TOKEN is right"},
		"private":           {at(`{"repo":"ann/private"}`), "hf_c4n4ry_bob", plugins.FaultAbsent, "or it is private"},
		"no repository":     {at(`{"repo":"ann/none"}`), "", plugins.FaultAbsent, "there is no repository https://huggingface.co/datasets/ann/none"},
		"of another type":   {at(`{"repo":"ann/hearts","type":"model"}`), "", plugins.FaultAbsent, "there is no repository https://huggingface.co/ann/hearts"},
		"no commit":         {`{"repo":"ann/hearts","commit":"` + strings.Repeat("a", 40) + `"}`, "", plugins.FaultAbsent, "https://huggingface.co/datasets/ann/hearts/commits/main"},
		"disabled":          {at(`{"repo":"ann/banned"}`), "hf_c4n4ry", plugins.FaultForbidden, "disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fetch(t, hosts(box()).Client(t), c.params, c.token)
			if err == nil || plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "c4n4ry") {
				t.Errorf("%v with code %q; want %q and %q", err, plugins.FaultCode(err), c.says, c.code)
			}
		})
	}
}

// TestGitSum: a file that lies in git is held to git's SHA-1.
func TestGitSum(t *testing.T) {
	h := box()
	h.Repos["datasets/ann/hearts"].Swapped = map[string][]byte{"README.md": []byte("# Hearts\n")}
	if _, err := fetch(t, hosts(h).Client(t), at(`{"repo":"ann/hearts"}`), ""); plugins.FaultCode(err) != plugins.FaultDiffers || !strings.Contains(err.Error(), "git-sha1") {
		t.Errorf("got %v", err)
	}
}

// TestLimit: a limit that is used up says itself when it ends.
func TestLimit(t *testing.T) {
	h := box()
	h.Limit, h.Reset = 2, 55
	var waits []time.Duration
	e := env("")
	e.Retry = plugins.Retry{Attempts: 2, Wait: func(_ context.Context, _ int, after time.Duration) error {
		waits, h.Limit = append(waits, after), 0
		return nil
	}}
	if _, err := (plugintest.Case{Plugin: Plugin(hosts(h).Client(t)), Params: at(`{"repo":"ann/hearts"}`), Env: e}).Run(t.Context(), 1, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(waits, []time.Duration{55 * time.Second}) {
		t.Errorf("waited %v, want 55 s", waits)
	}
}

// TestNextPage: a list that leads elsewhere, or in a circle, is refused.
func TestNextPage(t *testing.T) {
	for _, next := range []string{"https://stranger.test/api", "http://huggingface.co/api", "https://huggingface.co/api/datasets/ann/hearts/tree/" + commit + "?recursive=true"} {
		h := publisher.Hosts{"huggingface.co": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<"+next+`>; rel="next"`)
			_, _ = w.Write([]byte(`[]`))
		})}
		if _, err := fetch(t, h.Client(t), at(`{"repo":"ann/hearts"}`), "hf_c4n4ry"); plugins.FaultCode(err) != plugins.FaultRefused {
			t.Errorf("%s: %v", next, err)
		}
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		params, token string
		want          int
	}{
		{`{"repo":"ann/gated","gated":true}`, "", 1}, {`{"repo":"ann/gated","gated":true}`, "hf_c4n4ry", 0}, {`{"repo":"ann/hearts"}`, "", 0},
	} {
		got, err := Plugin(nil).Missing(t.Context(), []byte(at(c.params)), env(c.token))
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %v, %v; want %d", c.params, got, err, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		at(`{"repo":"../x"}`):                                   "want owner/name",
		at(`{"repo":"https://stranger.test/x"}`):                "want owner/name",
		at(`{"repo":"a/b/c"}`):                                  "want owner/name",
		at(`{"repo":"a/b","type":"datasets"}`):                  "want dataset, model or space",
		`{"repo":"a/b","commit":"main"}`:                        "https://huggingface.co/datasets/a/b/commits/main",
		`{"repo":"a/b","type":"model"}`:                         "https://huggingface.co/a/b/commits/main",
		at(`{"repo":"a/b","unpack":["["]}`):                     "unpack",
		at(`{"repo":"a/b","endpoint":"https://stranger.test"}`): "unknown field",
	} {
		if _, err := Plugin(nil).Normalise([]byte(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", params, err, want)
		}
	}
}

func FuzzUntilReset(f *testing.F) {
	for _, v := range []string{`"api";r=0;t=55`, `"api";r=1;t=55`, `"resolvers";r=0;t=1, "api";r=0;t=7`, `"api";r=0;t=99999999999999`, ``} {
		f.Add(v)
	}
	if got := untilReset(`"resolvers";r=3;t=90, "api"; r=0; t=7`); got != 7*time.Second {
		f.Errorf("got %s", got)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if d := untilReset(v); d < 0 || d > 0 && !strings.Contains(v, "r") {
			t.Errorf("%q: %s", v, d)
		}
	})
}

// TestGolden: version 1 of the plugin makes these files.
func TestGolden(t *testing.T) {
	files, err := plugintest.Case{Plugin: Plugin(hosts(box()).Client(t)), Params: at(`{"repo":"ann/hearts"}`), Env: env("")}.Run(t.Context(), 2, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const want digest.Digest = "sha256:f69843daefe7ae9b22910a52fc3da70064db84b63250261ca4baee00d1d839ed"
	if got := files.Root(); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}

// TestSource: a public repository with a token that is not needed, and a gated one.
func TestSource(t *testing.T) {
	for name, open := range map[string]func() sourcetest.World{"public": public, "gated": gated} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: open, Except: map[string]string{
				"fault/page": "the data lies behind a redirect, and a page there is taken for a login page (fault/login page)",
			}})
		})
	}
}

func public() sourcetest.World {
	files := map[string][]byte{"data/train.bin": sourcetest.Random(sourcetest.Large, 1), "data/test.bin": sourcetest.Random(sourcetest.Small, 2), "README.md": []byte("# hearts\n")}
	repo := &publisher.HuggingFaceRepo{Commits: map[string]map[string][]byte{commit: files}, LFS: map[string]bool{"data/train.bin": true, "data/test.bin": true}, Granted: []string{"ann"}}
	h := &publisher.HuggingFace{Repos: map[string]*publisher.HuggingFaceRepo{"datasets/ann/hearts": repo}, Tokens: map[string]string{"hf_s3cr3t": "ann"}, Page: 2}
	was, other := files["data/test.bin"], sourcetest.Random(sourcetest.Small, 9)
	return sourcetest.World{
		Params: at(`{"repo":"ann/hearts"}`), Hosts: hosts(h), Files: maps.Clone(files), Sums: true, Versions: true,
		Data: func(u *url.URL) string {
			if u.Host == "cas-bridge.xethub.hf.co" || strings.HasPrefix(u.Path, "/api/resolve-cache/") {
				return u.Path
			}
			return ""
		},
		Secrets: map[string]string{tokenVar: "hf_s3cr3t"}, Optional: true, Trusted: []string{"huggingface.co"},
		Touch:   func() { repo.Swapped = map[string][]byte{"data/test.bin": other} },
		Relist:  func() { files["data/test.bin"], repo.Swapped = other, map[string][]byte{"data/test.bin": was} },
		Replace: func() { files["data/test.bin"] = sourcetest.Random(100, 8) },
		Add:     func() { files["more.txt"] = other },
		Remove:  func() { delete(files, "data/test.bin") },
		Terms: func() func() {
			repo.Gated, repo.Granted = true, nil
			return func() { repo.Granted = []string{"ann"} }
		},
	}
}

func gated() sourcetest.World {
	w := public()
	w.Params, w.Optional = at(`{"repo":"ann/hearts","gated":true}`), false
	return w
}
