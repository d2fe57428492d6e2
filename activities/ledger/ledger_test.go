package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/ledger"
	format "github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/trust"
)

func newKey(t testing.TB) keys.Key {
	t.Helper()
	k, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t testing.TB, s format.Signer) trust.PublicKey {
	t.Helper()
	k, err := s.Known()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func record(i int) digest.Digest { return digest.FromString(fmt.Sprint(i)) }

func records(from, to int) (out []digest.Digest) {
	for i := from; i < to; i++ {
		out = append(out, record(i))
	}
	return out
}

func grow(t testing.TB, l *ledger.Ledger, all ...digest.Digest) {
	t.Helper()
	if err := l.Append(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
}

// check checks the whole ledger and that it has these records.
func check(t testing.TB, l *ledger.Ledger, key format.Signer, all ...digest.Digest) format.Signed {
	t.Helper()
	s, err := l.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Prove(all)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Open(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Included(all...); err != nil || len(got) != len(all) || v.Checkpoint != s.Checkpoint {
		t.Fatalf("%d of %d records are proven at %s: %v", len(got), len(all), v.Checkpoint, err)
	}
	return s
}

// snapshot reads all files of a folder.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// restore makes a folder have these files and no others.
func restore(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAppend(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	l := ledger.Open(dir, key)
	if s, err := l.Check(t.Context()); err != nil || s.Size != 0 || s.Text != nil {
		t.Fatalf("before the first: %+v, %v", s, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking at it has made it: %v", err)
	}
	n := 0
	for _, size := range []int{1, 2, 255, 256, 257, 512, 1100} {
		grow(t, l, records(n, size)...)
		grow(t, l, records(0, size)...) // are there
		n = size
		again := ledger.Open(dir, key)
		for _, l := range []*ledger.Ledger{l, again} {
			if s := check(t, l, key, records(0, size)...); s.Size != int64(size) {
				t.Errorf("size %d, want %d", s.Size, size)
			}
		}
	}
	p, err := l.Prove(records(0, n))
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Open(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	places, err := v.Included(records(0, n)...)
	for i := range n {
		if places[record(i)] != int64(i) || err != nil {
			t.Fatalf("record %d is entry %d, %v", i, places[record(i)], err)
		}
	}
	var absent *format.AbsentError
	if _, err := l.Prove([]digest.Digest{record(3), record(n)}); !errors.As(err, &absent) || !slices.Equal(absent.Records, records(n, n+1)) {
		t.Errorf("a record that is not there: %v", err)
	}
	if err := l.Append(t.Context(), "sha256:x"); err == nil {
		t.Error("what is no digest was appended")
	}
}

// TestFiles says which files there are.
func TestFiles(t *testing.T) {
	home, key := t.TempDir(), newKey(t)
	l := ledger.Open(filepath.Join(home, "ledger"), key)
	grow(t, l, records(0, 3)...)
	grow(t, l, records(3, 5)...)
	want := []string{"ledger.state/last", "ledger.state/lock", "ledger/checkpoint", "ledger/tile/0/000.p/3", "ledger/tile/0/000.p/5",
		"ledger/tile/entries/000.p/3", "ledger/tile/entries/000.p/5"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(snapshot(t, home)))); d != "" {
		t.Error(d)
	}
	grow(t, l, records(5, 300)...)
	want = []string{"ledger.state/last", "ledger.state/lock", "ledger/checkpoint", "ledger/tile/0/000", "ledger/tile/0/001.p/44",
		"ledger/tile/1/000.p/1", "ledger/tile/entries/000", "ledger/tile/entries/001.p/44"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(snapshot(t, home)))); d != "" {
		t.Error(d)
	}
}

func TestNothingNewWritesNothing(t *testing.T) {
	home, key := t.TempDir(), newKey(t)
	dir := filepath.Join(home, "ledger")
	grow(t, ledger.Open(dir, key), records(0, 300)...)
	release, err := cas.LockFile(t.Context(), dir+".state/lock", "a test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	before := snapshot(t, home)
	grow(t, ledger.Open(dir, key), records(0, 300)...)
	grow(t, ledger.Open(dir, nil, public(t, key)), records(0, 300)...)
	if d := cmp.Diff(before, snapshot(t, home)); d != "" {
		t.Error(d)
	}
}

func TestReadOnly(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	grow(t, ledger.Open(dir, key), record(0))
	l := ledger.Open(dir, nil, public(t, key))
	check(t, l, key, record(0))
	if err := l.Append(t.Context(), record(1)); err == nil || !strings.Contains(err.Error(), "without a key") {
		t.Error(err)
	}
}

func TestManyGoroutines(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	l := ledger.Open(dir, key)
	var group errgroup.Group
	for g := range 8 {
		group.Go(func() error {
			for i := range 50 { // each two goroutines append the same
				if err := l.Append(t.Context(), record(g/2*50+i)); err != nil {
					return err
				}
				if _, err := l.Prove([]digest.Digest{record(g/2*50 + i)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if s := check(t, l, key, records(0, 200)...); s.Size != 200 {
		t.Errorf("size %d, want 200", s.Size)
	}
}

func TestWhoGivesUp(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	l := ledger.Open(dir, key)
	grow(t, l, record(0))
	release, err := cas.LockFile(t.Context(), dir+".state/lock", "a test", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ctx, record(1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	grow(t, l, record(2)) // after the other, which somebody had asked for
	check(t, l, key, records(0, 3)...)
}

func TestKeys(t *testing.T) {
	dir, first, second := filepath.Join(t.TempDir(), "ledger"), newKey(t), newKey(t)
	grow(t, ledger.Open(dir, first), record(0))
	before := snapshot(t, dir)
	if err := ledger.Open(dir, second).Append(t.Context(), record(1)); !errors.Is(err, format.ErrUnknownSigner) {
		t.Errorf("with a key it was not signed with: %v", err)
	}
	if d := cmp.Diff(before, snapshot(t, dir)); d != "" {
		t.Error(d)
	}
	if _, err := ledger.Open(dir, second).Checkpoint(); !errors.Is(err, format.ErrUnknownSigner) || errors.Is(err, format.ErrTampered) {
		t.Errorf("a ledger of others is not one that was changed: %v", err)
	}
	l := ledger.Open(dir, second, public(t, first))
	grow(t, l, record(1))
	origin, err := format.Origin(public(t, first))
	if s := check(t, l, second, record(0), record(1)); err != nil || s.Origin != origin || s.By[0].ID != public(t, second).ID {
		t.Errorf("%+v, want origin %s: %v", s, origin, err)
	}
}

// flips changes a byte of each file at each n-th place and calls f.
func flips(t *testing.T, dir string, n int, f func(name string, at int)) {
	t.Helper()
	for name, text := range snapshot(t, dir) {
		for i := 0; i < len(text); i += n {
			changed := []byte(text)
			changed[i] ^= 1 << (i % 8)
			put(t, filepath.Join(dir, name), string(changed))
			f(name, i)
		}
		put(t, filepath.Join(dir, name), text)
	}
}

func TestEachByteCounts(t *testing.T) {
	for _, test := range []struct{ size, every int }{{3, 1}, {300, 211}} {
		dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
		grow(t, ledger.Open(dir, key), records(0, test.size-1)...) // leaves partial tiles of an older checkpoint
		grow(t, ledger.Open(dir, key), record(test.size-1))
		flips(t, dir, test.every, func(name string, at int) {
			_, err := ledger.Open(dir, key).Check(t.Context())
			if !errors.Is(err, format.ErrTampered) && !errors.Is(err, format.ErrUnknownSigner) || !strings.Contains(err.Error(), name) {
				t.Errorf("byte %d of %s: %v", at, name, err)
			}
		})
		check(t, ledger.Open(dir, key), key, records(0, test.size)...)
	}
}

// TestNoSignatureOverAChange changes the files that the next checkpoint is made of.
func TestNoSignatureOverAChange(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	grow(t, ledger.Open(dir, key), records(0, 300)...)
	flips(t, dir, 127, func(name string, at int) {
		if name == "tile/entries/000" {
			return // nothing new is made of it
		}
		before := snapshot(t, dir)
		if err := ledger.Open(dir, key).Append(t.Context(), record(300)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("byte %d of %s: %v", at, name, err)
		}
		if d := cmp.Diff(before, snapshot(t, dir)); d != "" {
			t.Errorf("byte %d of %s: something was written: %s", at, name, d)
		}
	})
}

// TestOneThatIsOpenNoticesToo changes a file while a Ledger knows all leaves.
func TestOneThatIsOpenNoticesToo(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	l := ledger.Open(dir, key)
	grow(t, l, records(0, 10)...)
	flips(t, dir, 41, func(name string, at int) {
		if err := l.Append(t.Context(), record(10)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("byte %d of %s: %v", at, name, err)
		}
	})
	grow(t, l, record(10))
	check(t, l, key, records(0, 11)...)
}

func TestCutOrGone(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	grow(t, ledger.Open(dir, key), records(0, 300)...)
	for name, text := range snapshot(t, dir) {
		path := filepath.Join(dir, name)
		for what, damage := range map[string]func() error{
			"gone":   func() error { return os.Remove(path) },
			"empty":  func() error { return os.Truncate(path, 0) },
			"cut":    func() error { return os.Truncate(path, int64(len(text)-1)) },
			"longer": func() error { return os.WriteFile(path, []byte(text+"x"), 0o644) },
		} {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			if _, err := ledger.Open(dir, key).Check(t.Context()); !errors.Is(err, format.ErrTampered) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s is %s: %v", name, what, err)
			}
			put(t, path, text)
		}
	}
	put(t, filepath.Join(dir, "tile", "notes.txt"), "x")
	if _, err := ledger.Open(dir, key).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "tile/notes.txt") {
		t.Errorf("a file that is none of a ledger: %v", err)
	}
}

// TestPutBack puts an older state of the folder in the place of the newer.
func TestPutBack(t *testing.T) {
	home, key := t.TempDir(), newKey(t)
	dir := filepath.Join(home, "ledger")
	running := ledger.Open(dir, key)
	grow(t, running, records(0, 200)...)
	old, oldState := snapshot(t, dir), snapshot(t, dir+".state")
	grow(t, running, records(200, 300)...)
	newest, err := running.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	restore(t, dir, old)
	var wrong *format.RewrittenError
	for name, l := range map[string]*ledger.Ledger{"running": running, "opened": ledger.Open(dir, key)} {
		if err := l.Append(t.Context(), record(300)); !errors.As(err, &wrong) || wrong.Older != newest.Checkpoint || wrong.Newer.Size != 200 {
			t.Errorf("%s: append: %v", name, err)
		}
		if _, err := l.Check(t.Context()); !errors.As(err, &wrong) {
			t.Errorf("%s: check: %v", name, err)
		}
	}
	restore(t, dir+".state", oldState) // the whole home was put back: it cannot know
	opened := ledger.Open(dir, key)
	if _, err := opened.Check(t.Context()); err != nil {
		t.Errorf("all of it put back: %v", err)
	}
	if err := running.Append(t.Context(), record(300)); !errors.As(err, &wrong) {
		t.Errorf("all of it put back, under one that runs: %v", err)
	}
	if err := opened.Follows(newest.Checkpoint); !errors.As(err, &wrong) { // who has the newer checkpoint knows
		t.Errorf("all of it put back, and somebody has the newer checkpoint: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Open(dir, key).Append(t.Context(), record(300)); !errors.Is(err, format.ErrTampered) {
		t.Errorf("the folder is gone: %v", err)
	}
}

// TestLastAltered: what remembers the last checkpoint is believed as little as the ledger.
func TestLastAltered(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	if p, err := ledger.Open(dir, key).Prove(nil); err == nil {
		t.Errorf("proved nothing of nothing: %+v", p)
	}
	grow(t, ledger.Open(dir, key), record(0))
	last := filepath.Join(dir+".state", "last")
	text, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{"cut": string(text[:len(text)/2]), "empty": "", "another size": strings.Replace(string(text), "\n1\n", "\n2\n", 1)} {
		put(t, last, bad)
		if s, err := ledger.Open(dir, key).Checkpoint(); !errors.Is(err, format.ErrTampered) {
			t.Errorf("%s: %s, %v", name, s, err)
		}
	}
}

// TestFork lets two ledgers go on from the same entries.
func TestFork(t *testing.T) {
	home, key := t.TempDir(), newKey(t)
	ours, theirs := filepath.Join(home, "ours"), filepath.Join(home, "theirs")
	grow(t, ledger.Open(ours, key), records(0, 270)...)
	restore(t, theirs, snapshot(t, ours))
	common, err := ledger.Open(ours, key).Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	grow(t, ledger.Open(ours, key), records(270, 300)...)
	grow(t, ledger.Open(theirs, key), records(271, 310)...)
	mine, err := ledger.Open(ours, key).Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.Open(theirs, key)
	if err := l.Follows(common.Checkpoint); err != nil {
		t.Errorf("what both have: %v", err)
	}
	var wrong *format.RewrittenError
	if err := l.Follows(mine.Checkpoint); !errors.As(err, &wrong) {
		t.Errorf("another history: %v", err)
	}
	p, err := l.Prove(records(0, 1), mine.Size, common.Size)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Open(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Consistent(mine.Checkpoint); !errors.As(err, &wrong) {
		t.Errorf("another history, by the proof: %v", err)
	}
	if err := v.Consistent(common.Checkpoint); err != nil {
		t.Errorf("what both have, by the proof: %v", err)
	}
	put(t, ours+".state/last", string(mine.Text)) // an exchange of the folder
	restore(t, ours, snapshot(t, theirs))
	if err := ledger.Open(ours, key).Append(t.Context(), record(500)); !errors.As(err, &wrong) {
		t.Errorf("exchanged: %v", err)
	}
}

// TestLeftByTheDead goes through what a process can leave that is killed while it appends: the checkpoint of before with
// any of the new files, whole or not, or the new one and not yet noted as the last.
func TestLeftByTheDead(t *testing.T) {
	for _, size := range []int{0, 250, 256} {
		home, key := t.TempDir(), newKey(t)
		dir := filepath.Join(home, "ledger")
		if size > 0 {
			grow(t, ledger.Open(dir, key), records(0, size)...)
		}
		before, stateBefore := map[string]string{}, map[string]string{}
		if size > 0 {
			before, stateBefore = snapshot(t, dir), snapshot(t, dir+".state")
		}
		grow(t, ledger.Open(dir, key), records(size, size+20)...)
		after := snapshot(t, dir)
		for name, text := range after {
			if before[name] == text || name == "checkpoint" {
				continue
			}
			for _, half := range []string{text, text[:len(text)/2], "", strings.Repeat("\x00", len(text)+10)} {
				left := maps.Clone(before)
				left[name] = half
				left[".partial-dead"] = half
				restore(t, dir, left)
				restore(t, dir+".state", stateBefore)
				l := ledger.Open(dir, key)
				if s, err := l.Check(t.Context()); err != nil || s.Size != int64(size) {
					t.Fatalf("%d entries, and of the next %s with %d bytes: %d, %v", size, name, len(half), s.Size, err)
				}
				grow(t, l, records(size+1, size+22)...) // others than those who died
				check(t, l, key, slices.Concat(records(0, size), records(size+1, size+22))...)
				if _, err := os.Stat(filepath.Join(dir, ".partial-dead")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the temporary file of the dead: %v", err)
				}
			}
		}
		restore(t, dir, after)
		restore(t, dir+".state", stateBefore)
		l := ledger.Open(dir, key)
		check(t, l, key, records(0, size+20)...)
		grow(t, l, record(size+20))
		check(t, l, key, records(0, size+21)...)
	}
}

type failingKey struct{ keys.Key }

func (failingKey) Sign(context.Context, []byte) ([]byte, error) { return nil, errors.New("no hand") }

func TestASignerThatFails(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	grow(t, ledger.Open(dir, key), record(0))
	before, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Open(dir, failingKey{key}).Append(t.Context(), record(1)); err == nil || !strings.Contains(err.Error(), "no hand") {
		t.Error(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("%s, %v", after, err)
	}
	l := ledger.Open(dir, key)
	grow(t, l, record(2))
	check(t, l, key, record(0), record(2))
}
