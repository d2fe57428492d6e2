package ledger_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/ledger"
)

// helper starts a process that appends records number by number from a first to a last, several at a time, and writes the
// number of each that was appended as a line.
func helper(t *testing.T, home string, first, last int) (*exec.Cmd, *bufio.Scanner, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperThatAppends$")
	cmd.Env = append(os.Environ(), "LEDGER_HOME="+home, fmt.Sprintf("LEDGER_RECORDS=%d %d", first, last))
	cmd.Stderr = t.Output()
	start, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), start
}

const done = "appended "

// TestHelperThatAppends is such a process; alone it does nothing.
func TestHelperThatAppends(t *testing.T) {
	home := os.Getenv("LEDGER_HOME")
	if home == "" {
		t.Skip("runs only as a helper process")
	}
	var first, last int
	if _, err := fmt.Sscan(os.Getenv("LEDGER_RECORDS"), &first, &last); err != nil {
		t.Fatal(err)
	}
	key, _, err := keys.LoadOrMake(keys.File(home))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(os.Stdin) // until it may begin
	l := ledger.Open(filepath.Join(home, "ledger"), key)
	var group errgroup.Group
	group.SetLimit(4)
	for i := first; i < last; i++ {
		group.Go(func() error {
			if err := l.Append(t.Context(), record(i)); err != nil {
				return err
			}
			fmt.Printf("%s%d\n", done, i)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// appended reads which records a process says are in the ledger, at most n.
func appended(t *testing.T, lines *bufio.Scanner, n int) (out []digest.Digest) {
	t.Helper()
	for len(out) < n && lines.Scan() {
		number, ok := strings.CutPrefix(lines.Text(), done)
		if !ok {
			continue
		}
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, record(i))
	}
	return out
}

func TestManyProcesses(t *testing.T) {
	home := t.TempDir()
	const processes, each = 3, 60
	var group errgroup.Group
	var starts []io.Closer
	for p := range processes {
		cmd, lines, start := helper(t, home, p*each/2, p*each/2+each) // half of them another has, too
		starts = append(starts, start)
		group.Go(func() error {
			if got := appended(t, lines, 2*each); len(got) != each {
				return errors.Join(fmt.Errorf("process %d has appended %d, want %d", p, len(got), each), cmd.Wait())
			}
			return cmd.Wait()
		})
	}
	for _, start := range starts {
		start.Close()
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	key, err := keys.Load(keys.File(home))
	if err != nil {
		t.Fatal(err)
	}
	const all = (processes + 1) * each / 2
	if s := check(t, ledger.Open(filepath.Join(home, "ledger"), key), key, records(0, all)...); s.Size != all {
		t.Errorf("size %d, want %d", s.Size, all)
	}
}

// TestKilled kills processes that append, each a little later, and looks whether all is there that they said was.
func TestKilled(t *testing.T) {
	home := t.TempDir()
	var all []digest.Digest
	killed := 0
	for round := range 10 {
		cmd, lines, start := helper(t, home, round*100, round*100+100)
		start.Close()
		all = append(all, appended(t, lines, 1+9*round)...)
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		all = append(all, appended(t, lines, 100)...) // what was on its way
		if err := cmd.Wait(); err != nil {
			killed++
		}
		key, err := keys.Load(keys.File(home))
		if err != nil {
			t.Fatal(err)
		}
		s := check(t, ledger.Open(filepath.Join(home, "ledger"), key), key, all...)
		if want := int64(len(all)); s.Size < want || s.Size > want+100*int64(round+1) {
			t.Fatalf("round %d: size %d, and %d were appended", round, s.Size, want)
		}
	}
	if killed < 7 {
		t.Errorf("only %d of 10 processes were killed before they had done all", killed)
	}
}
