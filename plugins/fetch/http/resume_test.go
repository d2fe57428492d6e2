package httpfetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// late is an answer that takes its time.
func late(by time.Duration) publisher.Fault {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(by)
			h.ServeHTTP(w, r)
		})
	}
}

// TestParts: a large file comes in parts of eight blocks, side by side, once its first part has told its version.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offer{random(large), `"v1"`}
		p := at(t, late(time.Second)(o))
		v := visitor{box: p, params: o.params(t, true), partial: t.TempDir()}
		if got, err := v.fetch(t); err != nil || !bytes.Equal(got, o.data) {
			t.Fatalf("error %v, %d bytes", err, len(got))
		}
		var got []string
		for _, r := range p.Requests() {
			got = append(got, r.URL.Path+" "+r.Header.Get("Range"))
		}
		slices.Sort(got)
		want := []string{"/data.bin bytes=0-32767", "/data.bin bytes=32768-65535", "/data.bin bytes=65536-"}
		if diff := cmp.Diff(want, got); diff != "" || p.AtOnce() != 2 {
			t.Errorf("%d at once; %s", p.AtOnce(), diff)
		}
		if v.done != large {
			t.Errorf("progress ends at %d bytes, want %d", v.done, large)
		}
	})
}

// TestConnectionsOfOneHost: neither many files nor the parts of large ones open more connections than a
// publisher is to bear, also not those of several fetches in one process.
func TestConnectionsOfOneHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offer{random(large), `"v1"`}
		p := at(t, late(time.Minute-time.Second)(o)) // near the limit, which does not run for those who wait for a place
		var params Params
		for i := range 8 {
			params.Files = append(params.Files, File{URL: fmt.Sprintf("http://publisher.test/%d.bin", i)})
		}
		text, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		plugin := Plugin(p.Client)
		var wg sync.WaitGroup
		for range 2 {
			scratch := t.TempDir()
			wg.Go(func() {
				files, err := plugintest.Case{Plugin: plugin, Params: string(text), Env: plugins.Env{Block: block, Retry: plugins.Retry{Attempts: 1}}}.Run(t.Context(), 1, scratch)
				if err != nil || len(files) != 9 {
					t.Errorf("%d files, %v", len(files), err)
				}
			})
		}
		wg.Wait()
		if n, _ := p.Asked(); p.AtOnce() != 6 || n != 2*8*3 {
			t.Errorf("%d requests, %d at once; want 48, 6 at once", n, p.AtOnce())
		}
	})
}

// harm is what can happen to a partial file, of which two blocks and some bytes had arrived, between two runs.
var harms = []struct {
	name  string
	file  string
	do    func(t *testing.T, data, journal string)
	bytes int // that the next run asks for
}{
	{"nothing", "small", func(*testing.T, string, string) {}, small - half},
	{"a line of the journal is torn", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte { return b[:len(b)-20] })
	}, small - half + block},
	{"the journal ends in nonsense", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte { return append(b, "\x00\x00{\"file\":"...) })
	}, small - half},
	{"the journal is gone", "small", func(t *testing.T, _, journal string) {
		if err := os.Remove(journal); err != nil {
			t.Error(err)
		}
	}, small},
	{"the bytes are gone", "small", func(t *testing.T, data, _ string) {
		if err := os.Remove(data); err != nil {
			t.Error(err)
		}
	}, small},
	{"a byte on disk is another one", "small", func(t *testing.T, data, _ string) {
		rewrite(t, data, func(b []byte) []byte { b[block+7] ^= 1; return b })
	}, small - half + block},
	{"a byte on disk is another one, listed", "small listed", func(t *testing.T, data, _ string) {
		rewrite(t, data, func(b []byte) []byte { b[7] ^= 1; return b })
	}, small - half + block},
	{"another release wrote other blocks", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`"block_size":4096`), []byte(`"block_size":2048`))
		})
	}, small},
	{"nothing vouched for the version", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`,"version":"\"v1\""`), nil) })
	}, small},
	{"it was another version", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`\"v1\"`), []byte(`\"v0\"`)) })
	}, small},
}

func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := change(bytes.Clone(text))
	if bytes.Equal(text, after) {
		t.Fatalf("nothing was changed in %s", text)
	}
	if err := os.WriteFile(path, after, 0o600); err != nil {
		t.Fatal(err)
	}
}

var errGaveUp = errors.New("gave up")

func giveUp(context.Context, int, time.Duration) error { return errGaveUp }

// partialFiles finds the bytes of the one partial file, and the journal.
func partialFiles(t *testing.T, dir string) (data, journal string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, strings.Repeat("?", 64)))
	if err != nil || len(all) != 1 {
		t.Fatalf("partial files: %q, %v", all, err)
	}
	return all[0], filepath.Join(dir, "journal")
}

func TestHarmedPartialFile(t *testing.T) {
	for _, c := range harms {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := offer{random(small), `"v1"`}
				v := visitor{box: at(t, once(publisher.CutAt(half))(o)), params: o.params(t, strings.HasSuffix(c.file, "listed")), partial: t.TempDir(), retry: plugins.Retry{Wait: giveUp}}
				if _, err := v.fetch(t); !errors.Is(err, errGaveUp) {
					t.Fatalf("first run: %v", err)
				}
				synctest.Wait()
				v.retry = plugins.Retry{}
				data, journal := partialFiles(t, v.partial)
				c.do(t, data, journal)
				v.heals(t, o, int64(c.bytes))
				v.heals(t, o, 0)
			})
		})
	}
}

// TestAnnouncedAnew: what is here of a file is of no use once its publisher announces another one.
func TestAnnouncedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offer{random(small), `"v1"`}
		v := visitor{box: at(t, o), params: `{"files":[{"url":"http://publisher.test/data.bin"}]}`, partial: t.TempDir()}
		if _, err := v.fetch(t); err != nil {
			t.Fatal(err)
		}
		v.heals(t, o, 0)
		v.params = `{"files":[{"url":"http://publisher.test/data.bin","size":7}]}`
		if _, err := v.fetch(t); plugins.FaultCode(err) != plugins.FaultWrongSize {
			t.Errorf("error is %v", err)
		}
	})
}
