package sandbox_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/dir"
	httpfetch "github.com/cairn-bench/cairn/plugins/fetch/http"
)

// TestRoomOfAFetch measures what plan.Fetch.Room says: how much disk is taken when the artifact is whole and nothing of
// the fetch has been cleared away yet, and how much of it stays.
func TestRoomOfAFetch(t *testing.T) {
	image := make([]byte, 8<<20) // does not shrink
	_, _ = rand.NewChaCha8([32]byte{1}).Read(image)
	files := map[string][]byte{"image.raw": image, "images.zip": zipped(t, "image.raw", image)}
	publisher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(files[filepath.Base(r.URL.Path)]))
	}))
	t.Cleanup(publisher.Close)
	disk := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(disk, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		plugin plugins.Plugin
		params string
	}{
		{"files of the network", httpfetch.Plugin(nil), fmt.Sprintf(`{"files":[{"url":"%s/image.raw","size":%d}]}`, publisher.URL, len(image))},
		{"an archive of the network", httpfetch.Plugin(nil), fmt.Sprintf(`{"files":[{"url":"%s/images.zip","size":%d,"unpack":true}]}`, publisher.URL, len(files["images.zip"]))},
		{"files of this machine", dir.Plugin(), fmt.Sprintf(`{"path":%q}`, filepath.Join(disk, "image.raw"))},
		{"an archive of this machine", dir.Plugin(), fmt.Sprintf(`{"path":%q,"unpack":true}`, filepath.Join(disk, "images.zip"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			params, err := c.plugin.Normalise([]byte(c.params))
			if err != nil {
				t.Fatal(err)
			}
			e, err := c.plugin.Estimate(t.Context(), params, plugins.Env{})
			if err != nil {
				t.Fatal(err)
			}
			wantStays, wantPasses := plan.Fetch{Bytes: e.Bytes, Network: c.plugin.Spec().Network, Unpacks: e.Unpacks}.Room()
			peak, stays := room(t, c.plugin, params)
			if !near(peak, wantStays+wantPasses) || !near(stays, wantStays) {
				t.Errorf("%d MB are taken and %d MB stay; the rule says %d and %d", peak>>20, stays>>20, (wantStays+wantPasses)>>20, wantStays>>20)
			}
		})
	}
}

// near is within 3 %: shards have headers, and archives directories.
func near(got, want int64) bool { return got > want*97/100 && got < want*103/100 }

// room fetches as activities/execute does, and measures before it would clear away.
func room(t *testing.T, p plugins.Plugin, params []byte) (peak, stays int64) {
	t.Helper()
	home := t.TempDir()
	at := func(name string) string { return filepath.Join(home, name) }
	for _, name := range []string{"partial", "scratch"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	store, err := cas.OpenLayout(at("store"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := sandbox.NewOutput(sandbox.Options{Dir: at("spool"), Store: store, Name: "test", Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context(), plugins.Call{Params: params, Output: out, Workers: 2, Scratch: at("scratch"), Partial: at("partial")}); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Pack(t.Context(), artifact.Dataset); err != nil {
		t.Fatal(err)
	}
	return taken(t, home), taken(t, at("store"))
}

func taken(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func zipped(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
