package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// maxFiles bounds what a plugin can make us remember.
const maxFiles = 5_000_000

// session is one call of a plugin in a process of its own.
type session struct {
	host *Host
	spec catalog.Spec
	call plugins.Call
	dir  string // holds the folders below, and nothing outlives it
	req  Request

	result  *Result
	failure *Failure
	files   map[string]*File  // of which the plugin told
	hide    *strings.Replacer // of what the plugin was told and must not last; nil for nothing
	step    int64             // of the newest checkpoint of this process, or the one that it loaded
}

// The folders of a session.
const (
	outputDir     = "output"
	scratchDir    = "scratch"
	checkpointDir = "checkpoints"
	inputDir      = "inputs"
	pluginDir     = "plugin"
)

// newSession makes the folders of a call.
func (h *Host) newSession(spec catalog.Spec, c plugins.Call) (*session, error) {
	dir, err := os.MkdirTemp(c.Scratch, "plugin-")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("make folder for the plugin: %w", err)
	}
	s := &session{host: h, spec: spec, call: c, dir: dir, req: newRequest(spec, c), files: map[string]*File{}}
	s.req.Output, s.req.Scratch = s.path(outputDir), s.path(scratchDir)
	folders := []string{s.req.Output, s.req.Scratch, filepath.Join(s.req.Scratch, "tmp")}
	if spec.Kind == catalog.Pretrain && c.Checkpoints != nil {
		s.req.Checkpoints = s.path(checkpointDir)
		folders = append(folders, s.req.Checkpoints)
	}
	for _, f := range folders {
		if err := os.Mkdir(f, 0o700); err != nil {
			s.close()
			return nil, fmt.Errorf("make folder for the plugin: %w", err)
		}
	}
	return s, nil
}

func (s *session) path(name string) string { return filepath.Join(s.dir, name) }

// close removes the folders. What is read-only in them has to be made writable first.
func (s *session) close() {
	if os.RemoveAll(s.dir) == nil {
		return
	}
	_ = filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(s.dir)
}

// run starts the command and takes its answer. After nil the output is complete, as far as the plugin knows.
func (s *session) run(ctx context.Context, p *process) error {
	if err := s.bringCheckpoint(); err != nil {
		s.say("the checkpoint cannot be used, training starts anew: %v", err)
	}
	var err error
	if p.input, err = json.Marshal(s.req); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	p.host, p.network, p.grace = s.host, s.spec.Network, Grace
	p.note = func(text string) { s.say("%s", text) }
	p.clean = s.clean
	p.handle = func(line []byte) error { return s.hear(p, line) }
	return s.judge(ctx, p, p.run(ctx))
}

// judge puts together how the process ended and what it said before.
func (s *session) judge(ctx context.Context, p *process, err error) error {
	var wrong *ProtocolError
	switch {
	case ctx.Err() != nil: // it may have come to its end before it heard of it
		return ctx.Err()
	case errors.As(err, &wrong):
		return err
	case s.failure != nil && s.failure.Code == CodeMemory:
		e := p.memoryError()
		e.Stderr = s.failure.Message
		return e
	case s.failure != nil && s.failure.Code != CodeInterrupted:
		return told(s.failure, p.said())
	case s.failure != nil:
		return &ExitError{Code: -1, Signal: syscall.SIGTERM, Stderr: s.failure.Message}
	case err != nil:
		return err
	case s.result == nil:
		return &ExitError{Stderr: p.said()}
	}
	return nil
}

// bringCheckpoint gives the plugin the newest state.
func (s *session) bringCheckpoint() error {
	if s.req.Checkpoints == "" {
		return nil
	}
	state, step, err := s.call.Checkpoints.Latest()
	if err != nil || state == nil {
		return err
	}
	defer state.Close()
	path := filepath.Join(s.dir, "resume.state")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, state)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.req.Checkpoint = &SavedState{Step: step, Path: path}
	return nil
}

// hear takes one line.
func (s *session) hear(p *process, text []byte) error {
	e, err := ParseEvent(text)
	if err == nil && (s.result != nil || s.failure != nil) {
		err = errors.New("there is more after the last line")
	}
	if err == nil {
		err = s.take(e)
	}
	if err != nil {
		return p.wrong(err)
	}
	return nil
}

func (s *session) take(e Event) error {
	switch e := e.(type) {
	case *Progress:
		s.call.Progress(plugins.Progress{Done: e.Done, Total: e.Total, Unit: line(e.Unit), Note: line(s.clean(e.Note))})
	case *Log:
		s.call.Progress(plugins.Progress{Done: e.Done, Total: e.Total, Unit: line(e.Unit), Note: line(s.clean(e.Message)), News: true})
	case *Resumed:
		if s.req.Checkpoint == nil || e.Step != s.req.Checkpoint.Step {
			return fmt.Errorf("resumed: there is no checkpoint of step %d", e.Step)
		}
		s.step = e.Step
		s.call.Progress(plugins.Progress{Done: e.Step, Unit: "steps", Note: fmt.Sprintf("resumed at step %d", e.Step), News: true})
	case *Checkpoint:
		return s.keep(e)
	case *File:
		return s.list(e)
	case *Result:
		s.result = e
	case *Failure:
		e.Message = s.clean(e.Message)
		s.failure = e
	}
	return nil
}

// clean takes out of a text what must not last.
func (s *session) clean(text string) string {
	if s.hide == nil {
		return text
	}
	return s.hide.Replace(text)
}

// keep keeps a state. A training is worth more than a checkpoint of it, so it goes on if that fails.
func (s *session) keep(e *Checkpoint) error {
	if s.req.Checkpoints == "" {
		return errors.New("checkpoint: none was asked for")
	}
	if e.Step <= s.step {
		return fmt.Errorf("checkpoint: step %d does not come after step %d", e.Step, s.step)
	}
	state, err := openRegular(s.req.Checkpoints, e.Path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer state.Close()
	err = s.call.Checkpoints.Put(e.Step, func(w io.Writer) error {
		_, err := io.Copy(w, state)
		return err
	})
	if err != nil {
		s.say("no checkpoint at step %d: %v", e.Step, err)
	}
	s.step = e.Step
	return os.Remove(filepath.Join(s.req.Checkpoints, e.Path)) // a plugin may wait for that
}

func (s *session) list(e *File) error {
	switch {
	case s.spec.Kind != catalog.Fetch:
		return errors.New("file: only a fetch lists files")
	case s.files[e.Path] != nil:
		return fmt.Errorf("file: %q is listed twice", e.Path)
	case len(s.files) == maxFiles:
		return excess(fmt.Sprintf("file: more than %d files are listed", maxFiles))
	}
	s.files[e.Path] = e
	return nil
}

func (s *session) say(format string, args ...any) {
	s.call.Progress(plugins.Progress{Note: line(fmt.Sprintf(format, args...)), News: true})
}
