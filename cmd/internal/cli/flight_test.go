package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/plugins"
)

// tap is a publisher of one file of three blocks. The first request gets two of them, and the rest when the tap is
// opened.
type tap struct {
	file   []byte
	opened chan struct{}

	mu     sync.Mutex
	ranges []string // the Range header of each request
}

const tapBlock = 8 << 20

func newTap() *tap {
	p := &tap{file: make([]byte, 3*tapBlock), opened: make(chan struct{})}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p.file)
	return p
}

func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	first := len(p.ranges) == 0
	p.ranges = append(p.ranges, r.Header.Get("Range"))
	p.mu.Unlock()
	if !first {
		http.ServeContent(w, r, "", published, bytes.NewReader(p.file))
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(p.file)))
	w.Header().Set("Last-Modified", published.Format(http.TimeFormat))
	_, _ = w.Write(p.file[:2*tapBlock])
	w.(http.Flusher).Flush()
	select {
	case <-p.opened:
		_, _ = w.Write(p.file[2*tapBlock:])
	case <-r.Context().Done():
	}
}

// flight is a benchmark of that name whose first dataset comes from a publisher. Only its fetch is done.
func flight(name, url string) string {
	text := strings.NewReplacer("name: small", "name: "+name, "{plugin: dir, params: {path: data}}", "{plugin: http, params: {files: [{url: \""+url+"/heart.bin\"}]}}").Replace(small)
	extra := strings.NewReplacer("heart:", "extra:", "Heart disease", "Another").Replace(small[strings.Index(small, "  heart:"):strings.Index(small, "models:")])
	return strings.Replace(text, "models:", extra+"models:", 1)
}

// TestSingleFlight: of two runs that need the same download one does it and the other waits, says for whom, and does
// meanwhile what else it has to do. If the first does not come to the end, in whatever way, the other takes over with
// what the first has left.
func TestSingleFlight(t *testing.T) {
	for name, end := range map[string]func(m *machine, p *tap, first *running) error{
		"it finishes": func(_ *machine, p *tap, first *running) error { close(p.opened); return <-first.end },
		"killed": func(_ *machine, _ *tap, first *running) error {
			_ = first.Process.Kill()
			return <-first.end
		},
		"interrupted": func(_ *machine, _ *tap, first *running) error {
			_ = first.Process.Signal(syscall.SIGINT)
			return <-first.end
		},
		"cancelled": func(m *machine, _ *tap, first *running) error {
			for _, r := range object[struct{ Runs []runInfo }](m, 0, "status").Runs {
				if strings.HasPrefix(r.Run, "one-") {
					m.want(0, []string{"cancel", r.Run})
				}
			}
			return <-first.end
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTap()
			server := newPublishers(t, nil)
			server.Config.Handler = p
			m := newMachine(t, "")
			one, two := m.beside(flight("one", server.URL)), m.beside(flight("two", server.URL))
			first := one.start(words("run benchmark.yaml --only fetch/heart --progress plain -j 1")...)
			m.arrived(first, 2*tapBlock)
			second := two.start(words("run benchmark.yaml --only fetch/heart,fetch/extra --progress plain -j 1")...)
			second.at(fmt.Sprintf("fetch/heart waits for process %d on ", first.Process.Pid))
			second.at("ok  fetch/extra")

			err := end(m, p, first)
			said := second.done()
			p.mu.Lock()
			defer p.mu.Unlock()
			asked, finished := 2, name == "it finishes"
			if finished {
				asked = 1
			}
			if (err == nil) != finished {
				t.Errorf("the first ended with %v", err)
			}
			if len(p.ranges) != asked || asked == 2 && !strings.HasPrefix(p.ranges[1], fmt.Sprintf("bytes=%d-", 2*tapBlock)) {
				t.Errorf("the publisher was asked for %q; want %d requests, the second from where the first was", p.ranges, asked)
			}
			if finished && !strings.Contains(said, "cached  fetch/heart") {
				t.Errorf("the second does not say that another run did it:\n%s", said)
			}
		})
	}
}

// arrived waits until so many bytes of a download are safe.
func (m *machine) arrived(r *running, n int64) {
	m.t.Helper()
	for tick := time.Tick(10 * time.Millisecond); ; {
		dirs, err := filepath.Glob(filepath.Join(m.home, "cairn", "partial", "*"))
		if err != nil {
			m.t.Fatal(err)
		}
		for _, dir := range dirs {
			if d, err := plugins.ReadPartial(dir, 0); err == nil && d.Bytes >= n {
				return
			}
		}
		select {
		case <-tick:
		case err := <-r.end:
			m.t.Fatalf("%q has ended, %v:\n%s", r.Args[1:], err, r.said.String())
		}
	}
}
