package sftpfetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/cairn-bench/cairn/plugins"
)

type source struct {
	params Params
	retry  plugins.Retry
	door   door

	mu   sync.Mutex
	idle []*conn
}

// conn is one connection, which does one thing at a time, so that one that hangs can be ended without harm to another.
type conn struct {
	*sftp.Client
	ssh *ssh.Client
}

func (c *conn) kill() { _ = c.ssh.Close() }

// Missing says whether we could come in.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) { return s.door.missing() }

// Describe names server and folder.
func (s *source) Describe() map[string]string {
	return map[string]string{"host": s.params.Host, "path": s.params.Path}
}

// Close ends what is idle.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.idle {
		c.kill()
	}
	s.idle = nil
	return nil
}

// silence is how long a server may take to answer while it lists. While it gives a file, the framework watches.
const silence = time.Minute

var errSilent = &plugins.Fault{Code: plugins.FaultStalled, Err: fmt.Errorf("no answer for %s", silence), Again: true}

// with does something with a connection, which is ended with the context, or when alive was not called for too long. After
// an error of the connection it is not used again.
func (s *source) with(ctx context.Context, do func(c *conn, alive func()) error) error {
	c, err := s.take(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()
	stop := context.AfterFunc(ctx, c.kill)
	err = do(c, func() { watch.Reset(silence) })
	s.done(c, stop(), err)
	return s.failed(ctx, err)
}

// take gives an idle connection, or a new one.
func (s *source) take(ctx context.Context) (*conn, error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
	defer cancel()
	client, err := s.door.enter(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{ssh: client}
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	if c.Client, err = sftp.NewClient(client); err != nil {
		c.kill()
		return nil, s.noSFTP(ctx, err)
	}
	return c, nil
}

// noSFTP is the error of a server that lets us in, and has no SFTP for us.
func (s *source) noSFTP(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err.Error() != "ssh: subsystem request failed" { // there is no type for it
		return s.failed(ctx, err)
	}
	return &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("%s gives this account no SFTP: if it may use rsync, bring the files into a folder with it, and fetch that with the plugin drop", s.params.Host)}
}

// done takes back a connection that still stands and is in order. With one that was cut go the idle ones: they are likely
// to be, too, and each would cost an attempt.
func (s *source) done(c *conn, stands bool, err error) {
	if stands && (err == nil || answered(err)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle = append(s.idle, c)
		return
	}
	c.kill()
	if stands {
		_ = s.Close()
	}
}

// answered says whether an error is the server's answer rather than the end of the connection.
func answered(err error) bool {
	var status *sftp.StatusError
	var final *listError
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.As(err, &status) || errors.As(err, &final)
}

// failed says what an error means for another attempt.
func (s *source) failed(ctx context.Context, err error) error {
	var fault *plugins.Fault
	var final *listError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &fault), errors.As(err, &final):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &plugins.Fault{Code: plugins.FaultAbsent, Err: fmt.Errorf("%s: %w", s.params.Host, err)}
	case errors.Is(err, fs.ErrPermission):
		return &plugins.Fault{Code: plugins.FaultForbidden, Err: fmt.Errorf("%s: %w: the account may not read it; ask the publisher", s.params.Host, err)}
	case answered(err):
		return &plugins.Fault{Code: plugins.FaultUnavailable, Err: fmt.Errorf("%s: %w", s.params.Host, err), Again: true}
	}
	return &plugins.Fault{Code: plugins.FaultCut, Err: fmt.Errorf("%s: %w", s.params.Host, err), Again: true}
}

// listError is what a folder must not hold.
type listError struct{ error }

// List walks through the folder.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	err := s.retry.Do(ctx, func(ctx context.Context) (bool, error) {
		out = nil
		return false, s.with(ctx, func(c *conn, alive func()) error {
			return (&walk{source: s, ctx: ctx, conn: c, alive: alive, visit: func(f plugins.SourceFile) { out = append(out, f) }}).folder("")
		})
	})
	if err != nil {
		return nil, err
	}
	return s.params.Files(out), nil
}

const maxDepth = 64 // of folders: a server may invent them for ever

// walk goes through the folder and all below it.
type walk struct {
	*source
	ctx   context.Context
	conn  *conn
	alive func()
	visit func(plugins.SourceFile)
}

func (w *walk) folder(name string) error {
	if strings.Count(name, "/") > maxDepth {
		return &listError{fmt.Errorf("list %s: more than %d folders lie in each other", w.params.Path, maxDepth)}
	}
	at := path.Join(w.params.Path, name)
	infos, err := w.conn.ReadDirContext(w.ctx, at)
	if err != nil {
		return fmt.Errorf("list %s: %w", at, err)
	}
	w.alive()
	for _, info := range infos {
		if err := w.entry(name, info); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(folder string, info fs.FileInfo) error {
	name := path.Join(folder, info.Name())
	if plugins.CheckPath(info.Name()) != nil || strings.Contains(info.Name(), "/") {
		return &listError{fmt.Errorf("list %s: the server names a file %q, which is no name", path.Join(w.params.Path, folder), info.Name())}
	}
	if info.IsDir() {
		return w.folder(name)
	}
	if !w.params.Keep(name) {
		return nil
	}
	f, err := w.file(name, info)
	if err == nil {
		w.visit(f)
	}
	return err
}

// file describes a file, or what a link leads to.
func (w *walk) file(name string, info fs.FileInfo) (plugins.SourceFile, error) {
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := w.conn.Stat(path.Join(w.params.Path, name))
		if err != nil {
			return plugins.SourceFile{}, fmt.Errorf("list %s: follow the link: %w", name, err)
		}
		w.alive()
		info = to
	}
	switch {
	case info.IsDir():
		return plugins.SourceFile{}, &listError{fmt.Errorf("list %s: it is a link to a folder, which is not followed; exclude it, or name the folder itself as path", name)}
	case !info.Mode().IsRegular():
		return plugins.SourceFile{}, &listError{fmt.Errorf("list %s: it is %s, not a regular file; exclude it", name, info.Mode().Type())}
	}
	return plugins.SourceFile{Path: name, Size: info.Size(), Ref: "sftp://" + w.params.address() + "/" + path.Join(w.params.Path, name)}, nil
}

// Open reads a listed file from the offset on.
func (s *source) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	a, err := s.OpenPart(ctx, f, plugins.Part{Offset: offset, Length: -1})
	return a.Body, err
}

// OpenPart reads a part of a listed file, or all of it if it is not the one any more of which the part is wanted.
func (s *source) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	c, err := s.take(ctx)
	if err != nil {
		return plugins.Opened{}, err
	}
	b := &body{source: s, ctx: ctx, conn: c, stop: context.AfterFunc(ctx, c.kill)}
	out, err := b.open(path.Join(s.params.Path, f.Path), want)
	if err != nil {
		b.failed = err
		_ = b.Close()
		return plugins.Opened{}, s.failed(ctx, fmt.Errorf("open %s: %w", f.Path, err))
	}
	return out, nil
}

// readAhead is how much is asked for at once, in packets of 32 KiB: the further away a server, the more of them have to be
// under way. What was read ahead is lost in a kill.
const readAhead = 256 << 10

// body is a part of a file that is being read.
type body struct {
	*bufio.Reader
	source *source
	ctx    context.Context
	conn   *conn
	stop   func() bool
	file   *sftp.File
	left   int64 // bytes that are still to come
	known  version
	failed error
}

// version is what tells two states of a file apart.
type version struct{ time, size int64 }

func (v version) String() string { return fmt.Sprintf("%d %d", v.time, v.size) }

func (b *body) open(name string, want plugins.Part) (plugins.Opened, error) {
	var err error
	if b.file, err = b.conn.Open(name); err != nil {
		return plugins.Opened{}, err
	}
	if b.known, err = b.version(); err != nil {
		return plugins.Opened{}, err
	}
	out := plugins.Opened{Body: b, Size: b.known.size, To: b.known.size, Version: b.known.String()}
	if want.Version == "" || want.Version == out.Version {
		out.From = min(want.Offset, out.Size)
		if want.Length >= 0 {
			out.To = min(out.Size, out.From+want.Length)
		}
	}
	b.left = out.To - out.From
	b.Reader = bufio.NewReaderSize(io.NewSectionReader(b.file, out.From, b.left), readAhead)
	return out, nil
}

func (b *body) version() (version, error) {
	info, err := b.file.Stat()
	if err != nil {
		return version{}, err
	}
	return version{info.ModTime().Unix(), info.Size()}, nil
}

// Read gives the last bytes only if the file is still the one that was opened. The framework does not read on behind them.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); n > 0 && b.left == 0 || errors.Is(err, io.EOF) && b.left > 0 {
		now, bad := b.version()
		if bad == nil && now != b.known {
			bad = &plugins.Fault{Code: plugins.FaultChanged, Err: errors.New("the file changed while it was read"), Again: true}
		}
		if bad != nil {
			n, err = 0, bad
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
		err = b.source.failed(b.ctx, fmt.Errorf("read: %w", err))
	}
	return n, err
}

// Close keeps the connection for another file if it is in order.
func (b *body) Close() error {
	if b.file != nil {
		if err := b.file.Close(); b.failed == nil {
			b.failed = err
		}
	}
	b.source.done(b.conn, b.stop(), b.failed)
	return nil
}
