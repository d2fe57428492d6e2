package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
)

// list is a tree of files in memory, each of noise of its own.
type list struct {
	entries []plugins.Entry
	given   atomic.Int64
	fail    func(i int, from int64) error // may be nil
	check   func(i int) error             // may be nil
}

// mixed has many small files, empty ones, and two that are more than a save apart.
func mixed(n int) *list {
	l := &list{}
	for i := range n {
		size := int64(i * 37 % 5000)
		if i%100 == 50 {
			size = 600 << 10
		}
		l.entries = append(l.entries, plugins.Entry{Path: fmt.Sprintf("d%02d/%05d.dat", i/50, i), Size: size})
	}
	return l
}

func (l *list) content(i int) []byte {
	b := make([]byte, l.entries[i].Size)
	_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(b)
	return b
}

func (l *list) Write(ctx context.Context, i int, from int64, w io.Writer) error {
	if l.fail != nil {
		if err := l.fail(i, from); err != nil {
			return err
		}
	}
	b := l.content(i)[from:]
	for len(b) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n := min(len(b), 100_000)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		l.given.Add(int64(n))
		b = b[n:]
	}
	return nil
}

func (l *list) Check(i int, sum plugins.Sum) error {
	if l.check != nil {
		return l.check(i)
	}
	if artifact.Digest(sum) != digest.FromBytes(l.content(i)) {
		return fmt.Errorf("file %d has sum %x", i, sum)
	}
	return nil
}

func (l *list) bytes() (n int64) {
	for _, e := range l.entries {
		n += e.Size
	}
	return n
}

// output opens an output that saves every 64 KiB.
func output(t testing.TB, s cas.Uploader, workers int) *sandbox.Output {
	t.Helper()
	out, err := sandbox.NewOutput(sandbox.Options{Dir: filepath.Join(t.TempDir(), "out"), Store: s, Name: "work", Workers: workers, Save: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

// take takes a list and packs it.
func take(t testing.TB, s cas.Uploader, l *list, workers int) (digest.Digest, error) {
	t.Helper()
	out := output(t, s, workers)
	if err := plugins.WriteFile(out, "dataset.json", []byte("{}")); err != nil {
		return "", err
	}
	if _, err := out.Take(t.Context(), l.entries, l); err != nil {
		return "", err
	}
	d, err := out.Pack(t.Context(), artifact.Dataset)
	return d.Digest, err
}

// plain packs a list in the simplest way.
func plain(t testing.TB, l *list) digest.Digest {
	t.Helper()
	files := []artifact.File{{Path: "dataset.json", Size: 2, Digest: digest.FromString("{}")}}
	at := map[string]int{}
	for i, e := range l.entries {
		at[e.Path] = i
		files = append(files, artifact.File{Path: e.Path, Size: e.Size, Digest: digest.FromBytes(l.content(i))})
	}
	d, err := artifact.Pack(t.Context(), cas.NewMemory(), artifact.Dataset, files, func(path string) (io.ReadCloser, error) {
		if path == "dataset.json" {
			return io.NopCloser(strings.NewReader("{}")), nil
		}
		return io.NopCloser(bytes.NewReader(l.content(at[path]))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

// However many write, and whether the files are taken or created one by one in any order, the bytes are the same.
func TestTakeGivesTheSameBytes(t *testing.T) {
	l := mixed(400)
	want := plain(t, l)
	for _, workers := range []int{1, 2, 5} {
		if got, err := take(t, cas.NewMemory(), l, workers); err != nil || got != want {
			t.Errorf("%d workers: %s, %v; want %s", workers, got, err, want)
		}
	}
	out := output(t, cas.NewMemory(), 2)
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(l.entries)) {
		if err := plugins.WriteFile(out, l.entries[i].Path, l.content(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := plugins.WriteFile(out, "dataset.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if d, err := out.Pack(t.Context(), artifact.Dataset); err != nil || d.Digest != want {
		t.Errorf("created one by one: %s, %v; want %s", d.Digest, err, want)
	}
}

// A Take that fails anywhere goes on there: what was saved is not asked for again.
func TestTakeGoesOn(t *testing.T) {
	broken := errors.New("the source is gone")
	want, all := plain(t, mixed(300)), mixed(300).bytes()
	for stop := 0; stop < 300; stop += 37 {
		s := cas.NewMemory()
		l := mixed(300)
		l.fail = func(i int, _ int64) error {
			if i == stop {
				return broken
			}
			return nil
		}
		if _, err := take(t, s, l, 1); !errors.Is(err, broken) {
			t.Fatalf("file %d: %v; want %v", stop, err, broken)
		}
		before := l.given.Load()
		l.fail = nil
		if got, err := take(t, s, l, 1); err != nil || got != want {
			t.Errorf("file %d: %s, %v; want %s", stop, got, err, want)
		}
		if twice := l.given.Load() - all; before > 200_000 && twice > 64<<10+100_000 {
			t.Errorf("file %d: %d bytes were asked for twice", stop, twice)
		}
	}
}

// A list that is not the one of the interrupted Take begins anew.
func TestTakeOfAnotherList(t *testing.T) {
	s := cas.NewMemory()
	l := mixed(300)
	l.fail = func(i int, _ int64) error {
		if i == 250 {
			return errors.New("enough")
		}
		return nil
	}
	if _, err := take(t, s, l, 1); err == nil {
		t.Fatal("no error")
	}
	other := mixed(300)
	other.entries[3].Size++
	if got, err := take(t, s, other, 1); err != nil || got != plain(t, other) {
		t.Errorf("%s, %v", got, err)
	}
}

// Of a file that its Supply refuses nothing is kept.
func TestTakeOfARefusedFile(t *testing.T) {
	s := cas.NewMemory()
	l := mixed(60)
	wrong := errors.New("not what was listed")
	l.check = func(i int) error {
		if i == 50 { // of 600 KiB, so that some of it was saved
			return wrong
		}
		return nil
	}
	if _, err := take(t, s, l, 1); !errors.Is(err, wrong) {
		t.Fatalf("%v; want %v", err, wrong)
	}
	l.check, l.given = nil, atomic.Int64{}
	if _, err := take(t, s, l, 1); err != nil || l.given.Load() != l.bytes() {
		t.Errorf("%d of %d bytes were asked for again, %v", l.given.Load(), l.bytes(), err)
	}
}

func TestTakeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files []plugins.Entry
		want  string
	}{
		"too few bytes": {[]plugins.Entry{{Path: "a", Size: 10}}, "a: 5 of 10 bytes are missing"},
		"too many":      {[]plugins.Entry{{Path: "a", Size: 3}}, "more bytes than were announced"},
		"no order":      {[]plugins.Entry{{Path: "b"}, {Path: "a"}}, "not sorted"},
		"a clash":       {[]plugins.Entry{{Path: "a"}, {Path: "a/b"}}, "a is both a file and a folder"},
	} {
		_, err := output(t, cas.NewMemory(), 1).Take(t.Context(), c.files, five{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", name, err, c.want)
		}
	}
}

type five struct{}

func (five) Write(_ context.Context, _ int, _ int64, w io.Writer) error {
	_, err := w.Write([]byte("12345"))
	return err
}
func (five) Check(int, plugins.Sum) error { return nil }

// TestKilledTake kills processes at random moments. CAIRN_KILLS says how many, 100 for the figure in BENCHMARKS.md.
func TestKilledTake(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("CAIRN_KILLS"))
	if err != nil {
		kills = 4
	}
	want := plain(t, mixed(500))
	home := t.TempDir()
	began := time.Now()
	if out, err := takeElsewhere(t, home, 0); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	straight := time.Since(began)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for killed < kills {
		home := t.TempDir()
		for {
			out, err := takeElsewhere(t, home, time.Duration(r.Int64N(int64(straight))))
			if err == nil {
				if strings.TrimSpace(out) != want.String() {
					t.Fatalf("seed %d: after %d kills %s, want %s", seed, killed, out, want)
				}
				break
			}
			killed++
			wantSound(t, home)
		}
		wantSound(t, home)
	}
	t.Logf("%d kills, seed %d", killed, seed)
}

// takeElsewhere takes the list in another process, and kills it after some time.
func takeElsewhere(t *testing.T, home string, after time.Duration) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHelperTake$")
	c.Env = append(os.Environ(), "CAIRN_TAKE_HOME="+home)
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		defer time.AfterFunc(after, func() { _ = c.Process.Kill() }).Stop()
	}
	err := c.Wait()
	line, _, _ := strings.Cut(out.String(), "\n")
	return line, err
}

func TestHelperTake(t *testing.T) {
	home := os.Getenv("CAIRN_TAKE_HOME")
	if home == "" {
		t.Skip("it is the other process of TestKilledTake")
	}
	s, err := cas.OpenLayout(filepath.Join(home, "store"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := take(t, s, mixed(500), 2)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(d)
}

// wantSound wants every blob of a store to be what its name says.
func wantSound(t *testing.T, home string) {
	t.Helper()
	blobs, err := os.ReadDir(filepath.Join(home, "store", "blobs", "sha256"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, b := range blobs {
		text, err := os.ReadFile(filepath.Join(home, "store", "blobs", "sha256", b.Name()))
		if err != nil || digest.FromBytes(text).Encoded() != b.Name() {
			t.Errorf("blob %s has other bytes, %v", b.Name(), err)
		}
	}
}
