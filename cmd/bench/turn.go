package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// turn is one turn of one side, in an empty folder of its own.
type turn struct {
	*scene
	dir     string
	env     []string
	command string // what was measured
	got     sample
	stop    context.CancelFunc // ends the servers of the turn
	ctx     context.Context
}

// turn makes a folder, which scripts start in and which is their home.
func (s *scene) turn(name string, env ...string) (*turn, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	t := &turn{scene: s, dir: dir, got: sample{Figures: map[string]float64{}}}
	t.ctx, t.stop = context.WithCancel(s.ctx)
	t.env = append(append(s.env[:len(s.env):len(s.env)], "HOME="+dir, "CAIRN_HOME="+filepath.Join(dir, "home"), "PWD="+dir), env...)
	return t, nil
}

func (t *turn) do(work func(*turn) error) error {
	defer t.stop()
	return work(t)
}

// scripts is the usual side: what comes before, and what is measured.
func scripts(before, work string) func(*turn) error {
	return func(t *turn) error {
		if _, err := t.shell(before); err != nil {
			return err
		}
		_, err := t.measure(work)
		return err
	}
}

// shell runs a script whose time does not count, and returns what it printed.
func (t *turn) shell(script string) (string, error) {
	c := t.cmd(t.ctx, script)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", failure(script, err, out.String()+errs.String())
	}
	return out.String(), nil
}

// cmd is a script as a process group of its own, which is killed with all its children.
func (t *turn) cmd(ctx context.Context, script string) *exec.Cmd {
	c := exec.CommandContext(ctx, "sh", "-ec", script)
	c.Dir, c.Env = t.dir, t.env
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 10 * time.Second
	return c
}

// failure keeps the end of what a script said.
func failure(script string, err error, said string) error {
	const most = 600
	if said = strings.TrimSpace(said); len(said) > most {
		said = "..." + said[len(said)-most:]
	}
	return fmt.Errorf("%s: %w\n%s", script, err, said)
}

// measure runs a script and takes down its time, the CPU and the peak memory of all its processes. What a side
// prints as lines "figure NAME VALUE" is taken down as well; seconds and cpu replace what was measured from outside,
// for sides that say themselves when the work began. It returns what was printed.
func (t *turn) measure(script string) (string, error) {
	t.command = script
	syscall.Sync() // what others wrote before is not to be written now
	c := t.cmd(t.ctx, script)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	start := time.Now()
	if err := c.Start(); err != nil {
		return "", err
	}
	memory := watch(c.Process.Pid)
	err := c.Wait()
	t.got.Seconds = time.Since(start).Seconds()
	t.got.Peak = max(memory(), ownPeak(c.ProcessState))
	t.got.CPU = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	if err != nil {
		return "", failure(script, err, out.String()+errs.String())
	}
	return out.String(), t.read(out.String())
}

// read takes the figures from what a side printed.
func (t *turn) read(printed string) error {
	for line := range strings.Lines(printed) {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "figure" {
			continue
		}
		v, err := strconv.ParseFloat(words[2], 64)
		if err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
		switch words[1] {
		case "seconds":
			t.got.Seconds = v
		case "cpu":
			t.got.CPU = v
		default:
			t.got.Figures[strings.ReplaceAll(words[1], "-", " ")] = v
		}
	}
	return nil
}

// clock is shell with how many seconds it took, for figures beside the measured time.
func (t *turn) clock(script string) (string, float64, error) {
	start := time.Now()
	out, err := t.shell(script)
	return out, time.Since(start).Seconds(), err
}

// daemon runs a server until the turn ends, and returns when it answers at address.
func (t *turn) daemon(script, address string) error {
	c := t.cmd(t.ctx, script)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for range 300 {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			return failure(script, err, said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s: nothing answers at %s after 30 s", script, address)
}

// freeAddress is one of this machine that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// write puts a file into the folder of the turn.
func (t *turn) write(name string, text []byte) error {
	file := filepath.Join(t.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// removeAll also removes what a tool made read-only. What stays is in the folder for temporary files.
func removeAll(dir string) {
	_ = exec.Command("chmod", "-R", "u+w", dir).Run() // rm says what matters
	_ = os.RemoveAll(dir)
}
