package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-bench/cairn/activities/cas"
)

// crew is the workers of a home. Each has a file in one folder, which is called what the engine knows the worker by,
// and holds its lock for as long as it lives: the kernel gives the lock back when the process ends, however. So
// everybody can tell the steps of a worker that lives from those of one that is gone, also while no engine runs.
type crew struct {
	dir  string
	home string // ID
}

func (w *workshop) crew() (crew, error) {
	home, err := storeID(w.dir)
	return crew{filepath.Join(w.dir, "workers"), home}, err
}

// member is a worker whose lock this process has: its own, or that of one who is gone.
type member struct {
	name string
	file *os.File
}

// ours says whether a worker that the engine knows is of this home.
func (c crew) ours(name string) bool { return strings.HasPrefix(name, c.prefix()) }

func (c crew) prefix() string { return "cairn-" + c.home + "-" }

// join adds this process, which is at what.
func (c crew) join(what string) (*member, error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("register worker: %w", err)
	}
	for {
		m, err := c.claim(c.prefix()+strings.ToLower(rand.Text()[:12]), os.O_CREATE|os.O_EXCL, syscall.LOCK_EX)
		if errors.Is(err, fs.ErrNotExist) { // taken for that of one who is gone before it was locked
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("register worker: %w", err)
		}
		host, _ := os.Hostname()
		text, err := json.Marshal(cas.Holder{PID: os.Getpid(), Host: host, Since: time.Now().Truncate(time.Second), What: what})
		if err == nil {
			_, err = m.file.Write(append(text, '\n'))
		}
		if err != nil {
			m.leave()
			return nil, fmt.Errorf("register worker: %w", err)
		}
		return m, nil
	}
}

// claim opens and locks a file that is still there then.
func (c crew) claim(name string, flags, how int) (*member, error) {
	f, err := os.OpenFile(filepath.Join(c.dir, name), os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err = cas.Flock(f, how); err == nil {
		_, err = os.Lstat(f.Name())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &member{name, f}, nil
}

// leave gives the lock back; from then on the worker is gone.
func (m *member) leave() { _ = m.file.Close() }

// forget takes a worker off the list of whom nothing is left to be done.
func (m *member) forget() {
	os.Remove(m.file.Name())
	m.leave()
}

// gone returns the workers that are gone and that no other process looks after. They are locked, and the caller's; the
// file says nothing any more, so that they do not pass for living.
func (c crew) gone() ([]*member, error) {
	var all []*member
	err := c.each(func(name string) error {
		m, err := c.claim(name, 0, syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			return unlessAway(err)
		}
		all = append(all, m)
		return m.file.Truncate(0)
	})
	return all, err
}

// living returns who the workers are that live, and have said so.
func (c crew) living() (map[string]cas.Holder, error) {
	all := map[string]cas.Holder{}
	err := c.each(func(name string) error {
		m, err := c.claim(name, 0, syscall.LOCK_SH|syscall.LOCK_NB)
		if err == nil {
			m.leave()
		}
		if h := c.holder(name); errors.Is(err, syscall.EWOULDBLOCK) && h != (cas.Holder{}) {
			all[name] = h
		}
		return unlessAway(err)
	})
	return all, err
}

// unlessAway drops the errors of a file that is locked, or was removed meanwhile.
func unlessAway(err error) error {
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (c crew) each(do func(name string) error) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list workers: %w", err)
	}
	for _, e := range entries {
		if !c.ours(e.Name()) {
			continue
		}
		if err := do(e.Name()); err != nil {
			return fmt.Errorf("list workers: %w", err)
		}
	}
	return nil
}

// holder reads who a worker is; the zero value if the file does not say.
func (c crew) holder(name string) (h cas.Holder) {
	f, err := os.Open(filepath.Join(c.dir, name))
	if err != nil {
		return h
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 4<<10))
	_ = json.Unmarshal(text, &h)
	return h
}
