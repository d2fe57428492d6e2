package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

var resumeDownload = workload{
	name: "resume-download", title: "go on with a download of %d MiB that was killed half-way",
	sizes: map[string]int{"tiny": 64, "small": 512, "full": 4096},
	most:  3,

	prepare: writeOffer,
	sides: []side{
		{name: cairn, version: cairnVersion, work: resumed(take, "true")},
		{name: "curl", version: "curl --version | head -1 | cut -d ' ' -f 1-2", work: resumed(`curl -sS -C - -o large "$URL"`, `cmp large "$INPUT/large"`)},
	},
	goals: []goal{
		{text: "no more bytes than curl -C -", limit: 1, unit: " times curl's bytes", have: figureRatio("MiB sent", "curl")},
	},
	notes: `A server on this machine counts what it sends. When it has sent half of the file it stops, and the tool is killed with
SIGKILL; time, CPU and memory are those of the second call, which ends the download. "MiB sent" is what both calls cost together: it has
what was under way in the kernel when the tool was killed. curl checks nothing; Cairn checks again what it had, checks the
whole against the publisher's SHA-256, and puts it into a shard.`,
}

// writeOffer makes the file and the digest that its publisher would state.
func writeOffer(t *turn) error {
	name := filepath.Join(t.dir, "large")
	if err := writeNoise(name, t.n, 0); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	return t.write("sum", []byte(hex.EncodeToString(h.Sum(nil))))
}

// resumed runs a command until half is sent and kills it, then measures the same command.
func resumed(command, check string) func(*turn) error {
	return func(t *turn) error {
		input := filepath.Join(t.scene.dir, "input")
		sum, err := os.ReadFile(filepath.Join(input, "sum"))
		if err != nil {
			return err
		}
		p := &publisher{file: filepath.Join(input, "large"), enough: int64(t.n) << 19, half: make(chan struct{}), goOn: make(chan struct{})}
		url, err := p.listen(t.ctx)
		if err != nil {
			return err
		}
		t.env = append(t.env, "URL="+url)
		if err := t.write("benchmark.yaml", manifest(fmt.Sprintf("{plugin: http, params: {files: [{url: %q, sha256: %q}]}}", url, sum))); err != nil {
			return err
		}
		if err := t.killed(command, p.half); err != nil {
			return err
		}
		close(p.goOn)
		if _, err := t.measure(command); err != nil {
			return err
		}
		t.got.Figures["MiB sent"] = float64(p.sent.Load()) / mebi
		_, err = t.shell(check)
		return err
	}
}

// killed runs a command and kills it, with all its children, when it is time.
func (t *turn) killed(command string, now <-chan struct{}) error {
	ctx, kill := context.WithCancel(t.ctx)
	defer kill()
	c := t.cmd(ctx, command)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		return errors.Join(fmt.Errorf("%s: ended before it could be killed", command), err)
	case <-now:
		kill()
		if err := <-ended; err == nil {
			return fmt.Errorf("%s: ended well although it was killed", command)
		}
		return nil
	}
}

// publisher serves one file, as a server does that knows ranges, and counts. At half of it, it waits.
type publisher struct {
	file   string
	enough int64
	sent   atomic.Int64
	half   chan struct{} // closed when enough was sent
	once   sync.Once
	goOn   chan struct{} // closed when whoever asked was killed
}

func (p *publisher) listen(ctx context.Context) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = s.Close() }) // nobody reads any more
	go func() { _ = s.Serve(l) }()                   // ends with Close
	return "http://" + l.Addr().String() + "/large", nil
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(p.file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, &counted{f, p, !p.killed()})
}

func (p *publisher) killed() bool {
	select {
	case <-p.goOn:
		return true
	default:
		return false
	}
}

// counted tells the publisher what is read to be sent. It hides what else a file can do: the kernel would send it
// without asking here.
type counted struct {
	file  *os.File
	p     *publisher
	first bool // whoever asked is to be killed
}

func (c *counted) Seek(offset int64, whence int) (int64, error) { return c.file.Seek(offset, whence) }

// errKilled ends what was for the first caller. Its connection may not yet be known to be closed.
var errKilled = errors.New("the client was killed")

func (c *counted) Read(b []byte) (int, error) {
	if c.first && c.p.sent.Load() >= c.p.enough {
		c.p.once.Do(func() { close(c.p.half) })
		<-c.p.goOn
		return 0, errKilled
	}
	n, err := c.file.Read(b)
	c.p.sent.Add(int64(n))
	return n, err
}
