// Package registrytest starts real registries, and puts a bad line before them.
package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// Kind is a program.
type Kind string

// The programs. They differ: see the package registry.
const (
	Distribution Kind = "distribution" // cmd/registry of distribution v3, which `make tools` builds
	Docker       Kind = "docker"       // docker-registry 2.8, as Debian has it
)

// Kinds are all of them.
var Kinds = []Kind{Distribution, Docker}

// Server is a registry that runs.
type Server struct {
	Addr string // host:port
	Root string // its storage

	program, file string
	kill          func()
}

const config = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: true}
http: {addr: "127.0.0.1:0", secret: test}
`

// User and Password are those of a locked registry.
const (
	User     = "ann"
	Password = "hunter2"
)

// locked is the configuration of a registry that wants them, and hashed is the password.
const (
	locked = "auth: {htpasswd: {realm: test, path: %q}}\n"
	hashed = User + ":$2a$04$Us7ZjCISziwHZLNVb4Xp6ezygG/K2ePhobAJ4Vd6NS07kvwUtg.Cm\n"
)

// Start runs a registry until the test ends. The test is skipped where the program is not there.
func Start(t testing.TB, kind Kind) *Server {
	t.Helper()
	return start(t, kind, "")
}

// StartLocked runs a registry that wants a password.
func StartLocked(t testing.TB, kind Kind) *Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte(hashed), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, kind, fmt.Sprintf(locked, file))
}

func start(t testing.TB, kind Kind, more string) *Server {
	t.Helper()
	program := find(t, kind)
	dir := t.TempDir()
	s := &Server{Root: filepath.Join(dir, "data")}
	for range 5 { // a free port may be taken by the time that it is used
		s.Addr = freeAddr(t)
		file := filepath.Join(dir, "config.yml")
		text := strings.Replace(fmt.Sprintf(config, s.Root), "127.0.0.1:0", s.Addr, 1) + more
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s.program, s.file = program, file; s.run(t) {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatalf("%s does not start", program)
	return nil
}

// Has says whether a program is there.
func Has(t testing.TB, kind Kind) bool {
	_, err := lookFor(t, kind)
	return err == nil
}

func find(t testing.TB, kind Kind) string {
	t.Helper()
	path, err := lookFor(t, kind)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// lookFor looks for a program in $CAIRN_TOOLS, in .cache/tools of the repository, and in the PATH.
func lookFor(t testing.TB, kind Kind) (string, error) {
	t.Helper()
	if kind == Docker {
		path, err := exec.LookPath("docker-registry")
		if err != nil {
			return "", errors.New("docker-registry is not installed (Debian: docker-registry)")
		}
		return path, nil
	}
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "../../../..")
	named := os.Getenv("CAIRN_TOOLS") //nolint:forbidigo // only tests call this
	for _, dir := range []string{named, filepath.Join(root, ".cache", "tools"), filepath.Join(mustGetwd(t), "../../../.cache/tools")} {
		if path := filepath.Join(dir, "registry"); dir != "" && executable(path) {
			return path, nil
		}
	}
	if path, err := exec.LookPath("registry"); err == nil {
		return path, nil
	}
	return "", errors.New("the registry of distribution v3 is not there: `make tools` builds it")
}

func mustGetwd(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Kill ends the registry with SIGKILL.
func (s *Server) Kill() { s.kill() }

// Restart starts it anew after that, at the same address and with what it had stored.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if !s.run(t) {
		t.Fatalf("%s does not start again at %s", s.program, s.Addr)
	}
}

// run starts the program and waits until it answers. It returns false if it ends before that.
func (s *Server) run(t testing.TB) bool {
	t.Helper()
	var said bytes.Buffer
	c := exec.Command(s.program, "serve", s.file)
	c.Stdout, c.Stderr, c.Env = &said, &said, append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait() // it is killed
		close(ended)
	}()
	for {
		if resp, err := http.Get("http://" + s.Addr + "/v2/"); err == nil {
			resp.Body.Close()
			s.kill = func() {
				_ = c.Process.Kill()
				<-ended
			}
			return true
		}
		select {
		case <-ended:
			t.Logf("%s ended: %s", s.program, said.String())
			return false
		case <-time.After(10 * time.Millisecond): // nothing tells when it listens
		}
	}
}

// Blob is where the registry keeps a blob.
func (s *Server) Blob(d digest.Digest) string {
	hex := d.Encoded()
	return filepath.Join(s.Root, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
}

// Line is a TCP proxy whose connections are cut.
type Line struct {
	Addr string

	to    string
	every int64
	mu    sync.Mutex
	moved int64 // bytes of both directions since the last cut
	total int64
	cuts  int
	stop  int64 // bytes after which nothing moves any more; 0 means never
	held  chan struct{}
	open  int // connections
	moves *sync.Cond
}

// Cut puts a line before an address that cuts the connection that is in use whenever so many bytes have gone over
// it, in both directions and all connections together. 0 cuts nothing.
func Cut(t testing.TB, to string, every int64) *Line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	line := &Line{Addr: l.Addr().String(), to: to, every: every, held: make(chan struct{}, 1)}
	line.moves = sync.NewCond(&line.mu)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line.count(1)
			go func() {
				defer line.count(-1)
				line.serve(c)
			}()
		}
	}()
	return line
}

func (l *Line) serve(in net.Conn) {
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		_ = in.Close()
		return
	}
	ended := make(chan struct{}, 2)
	go l.copy(out, in, ended)
	go l.copy(in, out, ended)
	<-ended
	_, _ = in.Close(), out.Close()
	<-ended
}

func (l *Line) count(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open += n
	l.moves.Broadcast()
}

// Drain waits until all connections have ended, and what was on them has arrived.
func (l *Line) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open > 0 {
		l.moves.Wait()
	}
}

func (l *Line) copy(to, from net.Conn, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		pass, cut := l.pass(int64(n))
		if _, writeErr := to.Write(buf[:pass]); writeErr != nil || err != nil || cut {
			return
		}
	}
}

// pass says how many of n bytes go through, and whether the connection is cut after them.
func (l *Line) pass(n int64) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.stop > 0 && l.total >= l.stop {
		select {
		case l.held <- struct{}{}:
		default:
		}
		l.moves.Wait()
	}
	cut := l.every > 0 && l.moved+n >= l.every
	if cut {
		n = l.every - l.moved
		l.cuts++
		l.moved = -n
	}
	l.moved += n
	l.total += n
	return n, cut
}

// Total is how many bytes went over the line, and how often it was cut.
func (l *Line) Total() (bytes int64, cuts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total, l.cuts
}

// Stop lets so many bytes go over the line and no more, until it is called again. 0 lets all go.
func (l *Line) Stop(after int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = after
	l.moves.Broadcast()
}

// Stopped tells that the line has been stopped.
func (l *Line) Stopped() <-chan struct{} { return l.held }
