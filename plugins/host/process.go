package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Grace is how long a plugin that is asked to end may take to save a checkpoint. Who interrupts a run waits for ten
// seconds, and the checkpoint has to be kept, too.
const Grace = 8 * time.Second

// lag is how long an end is waited for in the pipes of a process that has ended: somebody may hold them who has escaped.
const lag = 2 * time.Second

// maxRate is how many lines a second are read; a plugin that writes faster waits.
const maxRate = 100_000

// process is one run of a command that talks the protocol.
type process struct {
	host    *Host
	command []string
	dir     string   // where it runs
	env     []string // all of it
	network bool     // whether it may see the network
	memory  int64    // bytes it may have, 0 for any number
	grace   time.Duration
	input   []byte
	handle  func(line []byte) error // is given each line; after an error the process is killed
	note    func(text string)
	clean   func(text string) string // takes secrets out; nil for none

	cmd    *exec.Cmd
	ended  <-chan struct{}
	alone  bool // in a process namespace of its own, which ends with it
	bound  bound
	pipes  [3]pipe
	stderr tail
	killed atomic.Bool // by us
	lines  int
}

// pipe is one of the three streams. One end is ours, the other the child's.
type pipe struct{ ours, child *os.File }

// run runs the command to its end. It returns nil only for exit code 0. Else the error is a ProtocolError, an ExitError,
// a MemoryError, or the fault of this machine.
func (p *process) run(ctx context.Context) error {
	if err := p.open(); err != nil {
		return err
	}
	defer p.close()
	started, ended := make(chan error, 1), make(chan struct{})
	p.ended = ended
	go p.live(started, ended)
	if err := <-started; err != nil {
		return err
	}
	p.bound = p.bind()
	defer p.bound.release()
	var others sync.WaitGroup
	others.Go(func() { _, _ = io.Copy(&p.stderr, p.stream(2)) })
	others.Go(func() { // who ends without having read it all has his reasons, and says so elsewhere
		_, _ = p.pipes[0].ours.Write(p.input)
		_ = p.pipes[0].ours.Close()
	})
	others.Go(func() { p.end(ctx) })
	rest, err := p.read(ctx)
	if err != nil {
		p.kill()
	}
	<-ended
	others.Wait()
	if err == nil && len(rest) > 0 && p.cmd.ProcessState.Exited() { // else it was cut off
		err = p.take(rest)
	}
	return p.verdict(err)
}

func (p *process) open() error {
	for i := range p.pipes {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return fmt.Errorf("start plugin: %w", err)
		}
		if p.pipes[i] = (pipe{r, w}); i == 0 {
			p.pipes[i] = pipe{w, r}
		}
	}
	return nil
}

func (p *process) close() {
	for _, f := range p.pipes {
		_ = errors.Join(f.ours.Close(), f.child.Close()) // once more, for most
	}
}

// live starts the process and waits for its end. It keeps its thread: the death of the thread that started a
// process is taken for that of the parent.
func (p *process) live(started chan<- error, ended chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.start()
	for _, f := range p.pipes {
		_ = f.child.Close()
	}
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // ProcessState says it
	_ = p.signal(syscall.SIGKILL)
	until := time.Now().Add(lag)
	for _, f := range p.pipes {
		_ = f.ours.SetDeadline(until)
	}
	close(ended)
}

// start starts the command as isolated as the kernel allows.
func (p *process) start() error {
	for i, attr := range isolations(p.network) {
		p.cmd = &exec.Cmd{Path: p.command[0], Args: p.command, Dir: p.dir, Env: p.env, SysProcAttr: attr,
			Stdin: p.pipes[0].child, Stdout: p.pipes[1].child, Stderr: p.pipes[2].child}
		err := p.cmd.Start()
		if err != nil && refused(err) && isolated(attr) {
			continue
		}
		if err != nil {
			return fmt.Errorf("start plugin: %w", err)
		}
		p.alone = isolated(attr)
		if !p.alone && i > 0 {
			p.host.open.Do(func() {
				p.note("the system gives plugins no namespaces: they could see the network and other processes, and only the process of a plugin itself is sure to end with this one")
			})
		}
		return nil
	}
	return errors.New("start plugin: not possible") // isolations ends with one that cannot be refused
}

// signal sends a signal to the process and its children.
func (p *process) signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *process) kill() {
	p.killed.Store(true)
	_ = p.signal(syscall.SIGKILL)
}

// end asks the process to end when ctx does, and makes sure that it does.
func (p *process) end(ctx context.Context) {
	select {
	case <-p.ended:
		return
	case <-ctx.Done():
	}
	p.killed.Store(true)
	_ = p.signal(syscall.SIGTERM)
	wait := p.grace
	if p.alone && !catches(p.cmd.Process.Pid, syscall.SIGTERM) {
		wait = 0 // the first process of a namespace does not even die of it
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.kill()
	}
}

// read gives every line to handle, and returns what follows the last one.
func (p *process) read(ctx context.Context) (rest []byte, err error) {
	in := bufio.NewReaderSize(p.stream(1), MaxLine+1)
	pace := pace{begun: time.Now()}
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			p.lines++
			return nil, p.wrong(errLongLine)
		case err != nil: // the end, or nobody writes to it any more
			return bytes.Clone(line), nil //nolint:nilerr // however the end came, what was said counts
		}
		if err := p.take(line[:len(line)-1]); err != nil {
			return nil, err
		}
		pace.wait(ctx)
	}
}

func (p *process) take(line []byte) error {
	p.lines++
	return p.handle(bytes.TrimSuffix(line, []byte("\r")))
}

// said is the end of what it wrote to its standard error.
func (p *process) said() string {
	if p.clean == nil {
		return p.stderr.String()
	}
	return p.clean(p.stderr.String())
}

// wrong is a fault in the line that was read last.
func (p *process) wrong(err error) error {
	what := err.Error()
	if p.clean != nil {
		what = p.clean(what)
	}
	_, large := errors.AsType[excess](err)
	return &ProtocolError{Line: p.lines, What: what, Large: large}
}

// stream reads what the process writes.
func (p *process) stream(i int) io.Reader { return &stream{p.pipes[i].ours, p.ended} }

// stream is given up only when nothing has come for a while after the end: what was written before it is read,
// however long that takes.
type stream struct {
	file  *os.File
	ended <-chan struct{}
}

func (s *stream) Read(b []byte) (int, error) {
	select {
	case <-s.ended:
		_ = s.file.SetReadDeadline(time.Now().Add(lag))
	default:
	}
	return s.file.Read(b)
}

// pace slows down who writes more lines than anybody could read.
type pace struct {
	begun time.Time
	lines int
}

func (p *pace) wait(ctx context.Context) {
	if p.lines++; p.lines < maxRate {
		return
	}
	timer := time.NewTimer(time.Until(p.begun.Add(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	p.begun, p.lines = time.Now(), 0
}

// verdict is how it ended. err is what handle found.
func (p *process) verdict(err error) error {
	state := p.cmd.ProcessState
	var wrong *ProtocolError
	if errors.As(err, &wrong) {
		wrong.Stderr = p.said()
	}
	if err != nil {
		return err
	}
	if state.Success() {
		return nil
	}
	exit := &ExitError{Code: state.ExitCode(), Stderr: p.said()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	if !p.killed.Load() && p.bound.hit(exit) {
		return p.memoryError()
	}
	return exit
}

func (p *process) memoryError() *MemoryError {
	return &MemoryError{Used: peak(p.cmd.ProcessState), Bound: p.bound.bytes, How: p.bound.how, Free: free(), Stderr: p.said()}
}
