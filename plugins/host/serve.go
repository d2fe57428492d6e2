package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// Serve is the other side of Isolated: it reads a request, runs the plugin of this program that it names, and answers.
// When ctx ends it saves what it can. What an error says beside its text goes to log. An error of Serve says that no
// answer could be given.
func Serve(ctx context.Context, set plugins.Set, in io.Reader, out, log io.Writer) error {
	a := &answers{w: out}
	err := serve(ctx, set, in, a)
	switch {
	case err == nil:
		return a.send(&Result{})
	case interrupted(ctx, err):
		return a.send(&Failure{Code: CodeInterrupted, Message: "it was asked to end"})
	}
	var more interface{ Log() []byte }
	if errors.As(err, &more) {
		_, _ = log.Write(more.Log()) // the error is told in any case
	}
	return a.send(say(err))
}

func serve(ctx context.Context, set plugins.Set, in io.Reader, a *answers) error {
	var r Request
	dec := json.NewDecoder(in)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if r.Schema != RequestSchema {
		return fmt.Errorf("request: schema is %q, want %q", r.Schema, RequestSchema)
	}
	_, name, _ := strings.Cut(r.Plugin, "/")
	name, _, _ = strings.Cut(name, "@")
	p, err := set.Find(r.Kind, name)
	if err != nil {
		return err
	}
	if have := p.Spec().Identity().String(); have != r.Plugin {
		return fmt.Errorf("this program has the plugin %s, the request is for %s", have, r.Plugin)
	}
	c, err := r.call(a)
	if err != nil {
		return err
	}
	return InProcess(ctx, p, c)
}

// call is the call that a request describes.
func (r *Request) call(a *answers) (plugins.Call, error) {
	seed, err := strconv.ParseUint(r.Seed, 10, 64)
	if err != nil {
		return plugins.Call{}, fmt.Errorf("request: seed: %w", err)
	}
	c := plugins.Call{Params: r.Params, Seed: seed, Dataset: r.Dataset, Output: folder(r.Output), Source: r.Source, Workers: r.Workers,
		Progress: a.progress(r.Kind), Scratch: r.Scratch, Partial: r.Partial}
	v := newVisitor(r.Socket)
	for i, in := range r.Inputs {
		tree, err := v.tree(i)
		if err != nil {
			return c, fmt.Errorf("%s: %w", in.Name, err)
		}
		c.Inputs = append(c.Inputs, plugins.Input{Name: in.Name, Artifact: in.Artifact, Tree: tree})
	}
	if f := r.Fetch; f != nil {
		c.Env = plugins.Env{Dir: f.Dir, Lookup: v.lookup, Trouble: v.trouble, Block: f.Block, Retry: plugins.Retry{Attempts: f.Attempts, Stall: seconds(f.StallSeconds)}}
	}
	if i := r.Interval; i != nil {
		c.Interval = plugins.Interval{Steps: i.Steps, Time: seconds(i.Seconds)}
	}
	if r.Checkpoints != "" {
		c.Checkpoints = &states{r, a}
	}
	return c, nil
}

// answers are the lines of a plugin of this program.
type answers struct {
	mu   sync.Mutex
	w    io.Writer
	said plugins.Progress // the last that was passed on
}

func (a *answers) send(e Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return WriteEvent(a.w, e)
}

// few is how many reports there may be on the way to a total. A training says each step, which counts them.
const few = 1000

func (a *answers) progress(kind catalog.Kind) func(plugins.Progress) {
	return func(p plugins.Progress) {
		var e Event = &Progress{Done: p.Done, Total: p.Total, Unit: p.Unit, Note: cut(p.Note, maxText)}
		if p.News {
			if e = (&Log{Message: cut(p.Note, maxText), Done: p.Done, Total: p.Total, Unit: p.Unit}); resumedAt(p) > 0 {
				e = &Resumed{Step: resumedAt(p)}
			}
		} else if kind != catalog.Pretrain && !a.worth(p) {
			return
		}
		_ = a.send(e) // whoever listens is gone, and this process soon
	}
}

// worth says whether a report differs enough from the last one.
func (a *answers) worth(p plugins.Progress) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Note == a.said.Note && p.Done != p.Total && p.Done > a.said.Done && p.Done-a.said.Done < p.Total/few {
		return false
	}
	a.said = p
	return true
}

// resumedAt is the step that a training says that it goes on from, 0 if it says something else.
func resumedAt(p plugins.Progress) int64 {
	if p.Note == fmt.Sprintf("resumed at step %d", p.Done) {
		return p.Done
	}
	return 0
}

// states are the checkpoints of a training in this process.
type states struct {
	r *Request
	a *answers
}

// Latest opens the state of the request.
func (s *states) Latest() (io.ReadCloser, int64, error) {
	if s.r.Checkpoint == nil {
		return nil, 0, nil
	}
	f, err := os.Open(s.r.Checkpoint.Path)
	return f, s.r.Checkpoint.Step, err
}

// Put writes a state, tells of it, and waits until it is kept.
func (s *states) Put(step int64, save func(io.Writer) error) error {
	name := fmt.Sprintf("%d.state", step)
	f, err := os.OpenFile(filepath.Join(s.r.Checkpoints, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(save(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := s.a.send(&Checkpoint{Step: step, Path: name}); err != nil {
		return err
	}
	for { // a training that is faster than the disk would fill it
		if _, err := os.Lstat(f.Name()); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// folder is an Output on disk.
type folder string

// Create starts a file.
func (d folder) Create(path string) (io.WriteCloser, error) {
	if !fs.ValidPath(path) || path == "." {
		return nil, fmt.Errorf("create %q: not a clean relative path", path)
	}
	name := filepath.Join(string(d), filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("create %s: %s", path, withoutPath(err))
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create %s: written twice", path)
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %s", path, withoutPath(err))
	}
	return f, nil
}
