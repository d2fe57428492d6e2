package httpfetch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// TestParts: a large file comes in parts of eight blocks, side by side, once its first part has told its version.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offer{random(large), `"v1"`}
		p := newPublisher(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			o.serve(w, r)
		})
		v := visitor{publisher: p, params: o.params(t, true), partial: t.TempDir()}
		if got, err := v.fetch(t); err != nil || !bytes.Equal(got, o.data) {
			t.Fatalf("error %v, %d bytes", err, len(got))
		}
		slices.Sort(p.requests)
		want := []string{"/data.bin bytes=0-32767", "/data.bin bytes=32768-65535", "/data.bin bytes=65536-"}
		if diff := cmp.Diff(want, p.requests); diff != "" || p.most != 2 {
			t.Errorf("%d at once; %s", p.most, diff)
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
		p := newPublisher(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute - time.Second) // near the limit, which does not run for those who wait for a place
			o.serve(w, r)
		})
		var params Params
		for i := range 8 {
			params.Files = append(params.Files, File{URL: fmt.Sprintf("http://publisher.test/%d.bin", i)})
		}
		text, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		plugin := Plugin(p.client)
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
		if n, _ := p.asked(); p.most != 6 || n != 2*8*3 {
			t.Errorf("%d requests, %d at once; want 48, 6 at once", n, p.most)
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
	{"nothing", "small", func(*testing.T, string, string) {}, small - 2*block},
	{"a line of the journal is torn", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte { return b[:len(b)-20] })
	}, small - block},
	{"the journal ends in nonsense", "small", func(t *testing.T, _, journal string) {
		rewrite(t, journal, func(b []byte) []byte { return append(b, "\x00\x00{\"file\":"...) })
	}, small - 2*block},
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
	}, small - block},
	{"a byte on disk is another one, listed", "small listed", func(t *testing.T, data, _ string) {
		rewrite(t, data, func(b []byte) []byte { b[7] ^= 1; return b })
	}, small - block},
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
				harmed := false
				p := newPublisher(t, func(w http.ResponseWriter, r *http.Request) {
					if !harmed {
						o.serve(&shears{w, half}, r)
					}
					o.serve(w, r)
				})
				v := visitor{publisher: p, params: o.params(t, strings.HasSuffix(c.file, "listed")), partial: t.TempDir(), retry: plugins.Retry{Wait: giveUp}}
				if _, err := v.fetch(t); !errors.Is(err, errGaveUp) {
					t.Fatalf("first run: %v", err)
				}
				synctest.Wait()
				harmed, v.retry = true, plugins.Retry{}
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
		p := newPublisher(t, func(w http.ResponseWriter, r *http.Request) { o.serve(w, r) })
		v := visitor{publisher: p, params: `{"files":[{"url":"http://publisher.test/data.bin"}]}`, partial: t.TempDir()}
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

// killed is a process that fetches and is killed. It says on its output how far it is.
const (
	killedURL     = "CAIRN_TEST_URL"
	killedPartial = "CAIRN_TEST_PARTIAL"
	killedBlock   = 64 << 10
	killedSize    = 6<<20 + 12345 // twelve parts of eight blocks and one of two
)

// TestKilledProcess is the process of TestKill.
func TestKilledProcess(t *testing.T) {
	at := os.Getenv(killedURL)
	if at == "" {
		t.Skip("it is run by TestKill")
	}
	files, err := plugintest.Case{Plugin: Plugin(nil), Params: fmt.Sprintf(`{"files":[{"url":%q}]}`, at), Env: plugins.Env{Block: killedBlock},
		Partial: os.Getenv(killedPartial), Progress: func(p plugins.Progress) { fmt.Println("done", p.Done) }}.Run(t.Context(), 1, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("sum", digest.FromBytes(files["data.bin"]))
}

// tap is a publisher that gives no more than so many bytes.
type tap struct {
	data []byte

	mu    sync.Mutex
	left  int
	asked int // bytes that requests asked for
}

func (s *tap) set(left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.asked = left, 0
}

func (s *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serveContent(&tapped{w, s, r}, r, `"v1"`, s.data)
}

type tapped struct {
	http.ResponseWriter
	tap *tap
	r   *http.Request
}

func (d *tapped) WriteHeader(code int) {
	var n int
	if _, err := fmt.Sscan(d.Header().Get("Content-Length"), &n); err != nil {
		panic(err)
	}
	d.tap.mu.Lock()
	d.tap.asked += n
	d.tap.mu.Unlock()
	d.ResponseWriter.WriteHeader(code)
}

// Write gives what may be given. When that is all, it waits until the client is gone.
func (d *tapped) Write(b []byte) (int, error) {
	d.tap.mu.Lock()
	n := min(len(b), d.tap.left)
	d.tap.left -= n
	d.tap.mu.Unlock()
	_, err := d.ResponseWriter.Write(b[:n])
	if err == nil && n < len(b) {
		http.NewResponseController(d.ResponseWriter).Flush()
		<-d.r.Context().Done()
		err = d.r.Context().Err()
	}
	return n, err
}

// TestKill kills a process that fetches, at a number of bytes, and lets another one go on. What the first one
// said had arrived is not asked for again, but for one block of each connection.
func TestKill(t *testing.T) {
	data := random(killedSize)
	for _, at := range []int{1<<20 + 1, 2 << 20, 3<<20 + killedBlock - 1, 5<<20 + 54321} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			publisher := &tap{data: data, left: at}
			server := httptest.NewServer(publisher)
			t.Cleanup(server.Close)
			partial := t.TempDir()
			done := runKilled(t, server.URL, partial, max(1, at-9<<17)) // it reports every MiB and some
			server.CloseClientConnections()
			publisher.set(killedSize)
			if sum := runKilled(t, server.URL, partial, 0); sum != digest.FromBytes(data).String() {
				t.Fatalf("the second process got %s, want %s", sum, digest.FromBytes(data))
			}
			arrived := 0
			fmt.Sscan(done, &arrived)
			if most := killedSize - arrived + 4*killedBlock; publisher.asked > most || arrived < 1<<20 {
				t.Errorf("%d bytes had arrived, and yet %d were asked for again; want at most %d", arrived, publisher.asked, most)
			}
		})
	}
}

// runKilled runs the process until it has said that so many bytes are there, and then kills it; or until it is
// done, if that is 0. It returns the last word of the process.
func runKilled(t *testing.T, url, partial string, until int) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$", "-test.v")
	cmd.Env = append(os.Environ(), killedURL+"="+url+"/data.bin", killedPartial+"="+partial)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var word string
		if n, _ := fmt.Sscan(lines.Text(), &word, &last); n < 2 {
			continue
		}
		done := 0
		if fmt.Sscan(last, &done); word == "done" && until > 0 && done >= until {
			_ = cmd.Process.Kill()
			break
		} else if word == "sum" {
			break
		}
	}
	if err := cmd.Wait(); (err == nil) != (until == 0) {
		t.Fatalf("the process ended with %v", err)
	}
	return last
}
