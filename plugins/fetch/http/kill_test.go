package httpfetch

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// What a process that fetches, and is killed, is told.
const (
	killedParams  = "CAIRN_TEST_PARAMS"
	killedPartial = "CAIRN_TEST_PARTIAL"
)

// TestKilledProcess is the process of TestKill.
func TestKilledProcess(t *testing.T) {
	params := os.Getenv(killedParams)
	if params == "" {
		t.Skip("it is run by TestKill")
	}
	err := Plugin(shallow()).Run(t.Context(), plugins.Call{Params: json.RawMessage(params), Workers: 2, Output: printed{}, Scratch: t.TempDir(),
		Partial: os.Getenv(killedPartial), Progress: func(p plugins.Progress) { fmt.Println("done", p.Done) }})
	if err != nil {
		t.Fatal(err)
	}
}

// shallow is a client for which the kernel keeps little that nobody has read yet. On a busy machine that may be several
// MiB a connection, which a kill loses, too, but which are no doing of the plugin's.
func shallow() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(kernelBuffer)
		}
		return conn, err
	}
	return &http.Client{Transport: transport}
}

// printed prints the sum of each file.
type printed struct{}

func (printed) Create(path string) (io.WriteCloser, error) { return &summed{sha256.New(), path}, nil }

type summed struct {
	hash.Hash
	path string
}

func (s *summed) Close() error {
	_, err := fmt.Printf("sum %x %s\n", s.Sum(nil), s.path)
	return err
}

// pattern is a file of any size whose blocks all differ.
type pattern struct{}

const period = 4099

func (pattern) ReadAt(b []byte, off int64) (int, error) {
	for n := 0; n < len(b); {
		at := (off + int64(n)) % period
		n += copy(b[n:], content[at:period])
	}
	return len(b), nil
}

func newPattern(size int64) *io.SectionReader { return io.NewSectionReader(pattern{}, 0, size) }

// counter is a publisher that counts what it sends, and tells when that is enough.
type counter struct {
	size int64

	mu     sync.Mutex
	idle   sync.Cond
	sent   int64
	active int
	enough int64
	told   chan struct{}
}

// publish serves files of that size under any name.
func publish(t *testing.T, size int64) (*counter, string) {
	c := &counter{size: size}
	c.idle.L = &c.mu
	server := httptest.NewUnstartedServer(c)
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if err := conn.(*net.TCPConn).SetWriteBuffer(kernelBuffer); err != nil {
			t.Error(err)
		}
		return ctx
	}
	server.Start()
	t.Cleanup(server.Close)
	return c, server.URL
}

// after returns a channel that is closed when so many more bytes have been sent.
func (c *counter) after(n int64) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enough, c.told = c.sent+n, make(chan struct{})
	return c.told
}

// total waits until nothing is sent any more.
func (c *counter) total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.active > 0 {
		c.idle.Wait()
	}
	return c.sent
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent += int64(n)
	if c.told != nil && c.sent >= c.enough {
		close(c.told)
		c.told = nil
	}
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.begin(1)
	defer c.begin(-1)
	w.Header().Set("ETag", `"v1"`)
	http.ServeContent(tally{w, c}, r, "", time.Time{}, newPattern(c.size))
}

func (c *counter) begin(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active += n; c.active == 0 {
		c.idle.Broadcast()
	}
}

// tally counts what the kernel took to be sent.
type tally struct {
	http.ResponseWriter
	c *counter
}

func (w tally) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.c.add(n)
	return n, err
}

const (
	oneBlock     = 8 << 20 // what a kill may cost
	kernelBuffer = 64 << 10
	killSize     = 5*8*oneBlock + 54321 // five parts and some bytes
)

// TestKill kills a process that fetches over several connections, with SIGKILL, at random moments, again and again.
// All the kills of a download together cost no more than a block each, with what lay unread in the kernel.
func TestKill(t *testing.T) {
	for name, c := range map[string]struct {
		files int
		size  int64
	}{
		"the parts of a file": {1, killSize},
		"eight files":         {8, 24<<20 + 54321},
	} {
		t.Run(name, func(t *testing.T) {
			publisher, url := publish(t, c.size)
			d := download{t: t, publisher: publisher, partial: t.TempDir()}
			want := d.want(url, c.files)
			seed, all := uint64(time.Now().UnixNano()), int64(c.files)*c.size
			r := rand.New(rand.NewPCG(seed, 0))
			for at := r.Int64N(all / 5); at < all-oneBlock; {
				d.kill(at - publisher.total())
				at = publisher.total() + r.Int64N(all/5)
			}
			d.end(want)
			twice := publisher.total() - all
			t.Logf("seed %d: %d kills, %d bytes sent twice", seed, d.kills, twice)
			if d.kills < 3 || twice > int64(d.kills)*oneBlock {
				t.Errorf("seed %d: more than a block each", seed)
			}
			if worst := slices.Max(append(d.lost, 0)); c.files == 1 && worst > oneBlock {
				t.Errorf("seed %d: a kill cost %d bytes", seed, worst)
			}
		})
	}
}

// download is one that is killed.
type download struct {
	t         *testing.T
	publisher *counter
	params    string
	partial   string
	kills     int
	twice     int64   // bytes that all kills so far have cost, if there is one file
	lost      []int64 // by each of them
}

// want sets what is to be fetched, and returns the sum of each file.
func (d *download) want(url string, files int) map[string]string {
	d.t.Helper()
	sum := sha256.New()
	if _, err := io.Copy(sum, newPattern(d.publisher.size)); err != nil {
		d.t.Fatal(err)
	}
	var params Params
	want := map[string]string{}
	for i := range files {
		params.Files = append(params.Files, File{URL: fmt.Sprintf("%s/%d.bin", url, i)})
		want[fmt.Sprintf("%d.bin", i)] = fmt.Sprintf("%x", sum.Sum(nil))
	}
	text, err := json.Marshal(params)
	if err != nil {
		d.t.Fatal(err)
	}
	d.params = string(text)
	return want
}

// run runs the process until it ends, and hears what it says.
func (d *download) run(kill <-chan struct{}, said func(line string)) error {
	d.t.Helper()
	before := d.publisher.total()
	cmd := exec.CommandContext(d.t.Context(), os.Args[0], "-test.run=^TestKilledProcess$", "-test.v")
	cmd.Env = append(os.Environ(), killedParams+"="+d.params, killedPartial+"="+d.partial, "TMPDIR="+d.t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-kill:
			_ = cmd.Process.Kill()
		case <-ended:
		}
	}()
	had := int64(-1)
	for lines := bufio.NewScanner(out); lines.Scan(); said(lines.Text()) {
		if had < 0 {
			if n, _ := fmt.Sscanf(lines.Text(), "done %d", &had); n == 1 && before > 0 {
				d.lost, d.twice = append(d.lost, before-had-d.twice), before-had
			}
		}
	}
	return cmd.Wait()
}

// kill kills the process when so much has been sent, unless it is faster than its killer.
func (d *download) kill(after int64) {
	d.t.Helper()
	if err := d.run(d.publisher.after(after), func(string) {}); err != nil {
		d.kills++
	}
}

// end runs the process to its end.
func (d *download) end(want map[string]string) {
	d.t.Helper()
	var said []string
	err := d.run(nil, func(line string) {
		var sum, path string
		said = append(said, line)
		if n, _ := fmt.Sscanf(line, "sum %s %s", &sum, &path); n == 2 && want[path] == sum {
			delete(want, path)
		}
	})
	if err != nil || len(want) > 0 {
		d.t.Fatalf("%v, wrong or missing: %v\n%s", err, want, strings.Join(said[max(0, len(said)-10):], "\n"))
	}
}

// TestReset: a connection that is reset, over a real socket, is one that was cut; and a publisher that refuses one is
// out of reach.
func TestReset(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if requests.Add(1) == 1 {
			w = &reset{ResponseWriter: w, left: half}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer server.Close()
	v := visitor{params: fmt.Sprintf(`{"files":[{"url":%q}]}`, server.URL+"/data.bin"), partial: t.TempDir(), box: &publisher.Box{}, retry: plugins.Retry{Wait: func(context.Context, int, time.Duration) error { return nil }}}
	got, err := v.fetch(t)
	if err != nil || !bytes.Equal(got, content) || strings.Join(v.codes, " ") != "cut" {
		t.Errorf("error %v, %d bytes, survived %q", err, len(got), v.codes)
	}
	server.Close()
	v.codes, v.partial = nil, t.TempDir()
	if _, err := v.fetch(t); plugins.FaultCode(err) != plugins.FaultUnreachable || strings.Join(v.codes, " ") != "unreachable unreachable unreachable" {
		t.Errorf("error %v, survived %q", err, v.codes)
	}
}

// reset ends a connection in the middle without a word.
type reset struct {
	http.ResponseWriter
	left int
}

func (w *reset) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b[:min(len(b), w.left)])
	if w.left -= n; w.left > 0 || err != nil {
		return n, err
	}
	c := http.NewResponseController(w.ResponseWriter)
	if err := c.Flush(); err != nil {
		return n, err
	}
	conn, _, err := c.Hijack()
	if err != nil {
		return n, err
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return n, err
	}
	return n, errors.Join(conn.Close(), http.ErrAbortHandler)
}
