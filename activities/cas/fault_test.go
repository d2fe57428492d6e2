package cas_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/castest/faultfs"
)

// faults are the errors that a kind of call is known to give.
var faults = map[faultfs.Op][]syscall.Errno{
	faultfs.Open:     {syscall.EACCES, syscall.EMFILE},
	faultfs.Create:   {syscall.ENOSPC, syscall.EROFS},
	faultfs.Stat:     {syscall.EIO, syscall.EACCES},
	faultfs.ReadDir:  {syscall.EIO, syscall.EACCES},
	faultfs.Mkdir:    {syscall.ENOSPC, syscall.EACCES},
	faultfs.Rename:   {syscall.EIO, syscall.EDQUOT},
	faultfs.Remove:   {syscall.EIO, syscall.EPERM},
	faultfs.Chtimes:  {syscall.EPERM, syscall.EIO},
	faultfs.Read:     {syscall.EIO, syscall.EIO},
	faultfs.Write:    {syscall.EDQUOT, syscall.EIO},
	faultfs.Short:    {syscall.ENOSPC, syscall.EIO},
	faultfs.Truncate: {syscall.EIO, syscall.EPERM},
	faultfs.Chmod:    {syscall.EPERM, syscall.EIO},
	faultfs.Sync:     {syscall.EIO, syscall.EINVAL},
	faultfs.SyncDir:  {syscall.EIO, syscall.EINVAL},
	faultfs.Flock:    {syscall.ENOLCK, syscall.ENOTSUP},
}

// deed is something that is done to a store, and what it should come to.
type deed struct {
	name    string
	prepare func(l *cas.Layout) error
	do      func(ctx context.Context, l *cas.Layout) error
	blobs   []string // that are there in the end
	tags    []string
}

var (
	manyBytes = string(noise(1<<20 + 100))
	someTag   = map[string]ocispec.Descriptor{"tagged": {MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("first")}}
)

var deeds = []deed{
	{name: "put", do: putting("some text"), blobs: []string{"first", "some text"}},
	{name: "put large", do: putting(manyBytes), blobs: []string{"first", manyBytes}},
	{name: "put again", do: putting("first"), blobs: []string{"first"}},
	{name: "put many", do: puttingMany("second", "third"), blobs: []string{"first", "second", "third"}},
	{
		name:  "tag",
		do:    func(ctx context.Context, l *cas.Layout) error { return l.Tag(ctx, someTag) },
		blobs: []string{"first"}, tags: []string{"tagged"},
	},
	{
		name: "remove",
		do:   func(ctx context.Context, l *cas.Layout) error { return l.Remove(ctx, digest.FromString("first")) },
	},
	{name: "upload", do: uploading("", manyBytes), blobs: []string{"first", manyBytes}},
	{
		name: "resume",
		prepare: func(l *cas.Layout) error {
			u, err := l.Upload("x")
			if err != nil {
				return err
			}
			_, err = u.Write([]byte("begun and "))
			return errors.Join(err, u.Save(nil), u.Close())
		},
		do:    uploading("begun and ", "ended"),
		blobs: []string{"first", "begun and ended"},
	},
	{
		name:  "discard",
		blobs: []string{"first"},
		do: func(_ context.Context, l *cas.Layout) error {
			u, err := l.Upload("x")
			if err != nil {
				return err
			}
			return errors.Join(u.Save(nil), u.Discard())
		},
	},
	{
		name:  "read",
		blobs: []string{"first"},
		do: func(ctx context.Context, l *cas.Layout) error {
			_, err := cas.ReadAll(ctx, l, digest.FromString("first"), 10)
			_, indexErr := l.Index(ctx)
			return errors.Join(err, indexErr)
		},
	},
}

func puttingMany(texts ...string) func(context.Context, *cas.Layout) error {
	return func(ctx context.Context, l *cas.Layout) error {
		b := cas.NewBatch(l)
		for _, text := range texts {
			if _, err := cas.PutBytes(ctx, b, []byte(text)); err != nil {
				return err
			}
		}
		return b.Flush(ctx)
	}
}

func putting(text string) func(context.Context, *cas.Layout) error {
	return func(ctx context.Context, l *cas.Layout) error {
		_, _, err := l.Put(ctx, digest.FromString(text), strings.NewReader(text))
		return err
	}
}

// uploading writes what is missing of a blob, and saves in between.
func uploading(before, rest string) func(context.Context, *cas.Layout) error {
	return func(ctx context.Context, l *cas.Layout) error {
		u, err := l.Upload("x")
		if err != nil {
			return err
		}
		defer u.Close()
		text := (before + rest)[u.Offset():]
		for _, part := range []string{text[:len(text)/2], text[len(text)/2:]} {
			if _, err := u.Write([]byte(part)); err != nil {
				return err
			}
			if err := u.Save([]byte("note")); err != nil {
				return err
			}
		}
		_, _, err = u.Commit(ctx)
		return err
	}
}

// faulty returns a store on a disk that can fail, ready for a deed.
func faulty(t *testing.T, d deed) (*cas.Layout, *faultfs.FS) {
	t.Helper()
	disk := faultfs.New()
	l, err := cas.OpenLayoutOn(disk, filepath.Join(t.TempDir(), "store"))
	if err == nil {
		_, err = cas.PutBytes(t.Context(), l, []byte("first"))
	}
	if err == nil && d.prepare != nil {
		err = d.prepare(l)
	}
	if err != nil {
		t.Fatal(err)
	}
	disk.Heal()
	return l, disk
}

// TestFaults lets every call of a deed fail in turn, once and for good, and looks at what is left.
func TestFaults(t *testing.T) {
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			l, disk := faulty(t, d)
			if err := d.do(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			calls := disk.Calls()
			d.wantDone(t, l)
			for op, n := range calls {
				for i := range n * len(faults[op]) { // once with the first error, for good with the second
					errno, always := faults[op][i/n], i/n > 0
					t.Run(fmt.Sprintf("%s %d %v", op, i%n+1, errno), func(t *testing.T) {
						l, disk := faulty(t, d)
						disk.Fail(op, i%n+1, always, errno)
						err := d.do(t.Context(), l)
						disk.Heal()
						d.wantWhole(t, l)
						wantFault(t, op, l.Dir(), errno, err)
						if err != nil {
							if err := d.do(t.Context(), l); err != nil {
								t.Fatalf("the same again, with the cause gone: %v", err)
							}
						}
						d.wantDone(t, l)
					})
				}
			}
		})
	}
}

// harmless are the calls that may fail while the deed does not.
var harmless = map[faultfs.Op]bool{
	faultfs.Stat:     true, // of what is to be swept away
	faultfs.Remove:   true, // likewise
	faultfs.Open:     true, // past the page cache
	faultfs.Chmod:    true, // of a blob of an upload
	faultfs.Truncate: true, // of a lock's text
	faultfs.Write:    true, // likewise
	faultfs.Short:    true, // likewise
}

// wantFault wants an error that says where, what and what to do.
func wantFault(t *testing.T, op faultfs.Op, dir string, errno syscall.Errno, err error) {
	t.Helper()
	if op == faultfs.SyncDir && errno == syscall.EINVAL {
		if err != nil {
			t.Errorf("a file system that does not sync folders is no failure: %v", err)
		}
		return
	}
	if err == nil && harmless[op] {
		return
	}
	var fault *cas.FaultError
	if !errors.As(err, &fault) || !errors.Is(err, errno) || fault.Store != dir || fault.Hint == "" {
		t.Fatalf("%v (%T); want a FaultError of %v", err, err, errno)
	}
	if text := err.Error(); !strings.Contains(text, dir) || !strings.Contains(text, "run the same again") && !strings.Contains(text, "another one") {
		t.Errorf("%q does not say where and what to do", text)
	}
	if room := errno == syscall.ENOSPC || errno == syscall.EDQUOT; errors.Is(err, cas.ErrFull) != room {
		t.Errorf("%v: is ErrFull: %v", err, !room)
	}
}

// wantWhole wants every blob to be what its name says, and the index to be that of before or after.
func (d deed) wantWhole(t *testing.T, l *cas.Layout) {
	t.Helper()
	for _, name := range names(t, filepath.Dir(l.Path(digest.FromString("x")))) {
		text, err := os.ReadFile(l.Path(digest.NewDigestFromEncoded(digest.SHA256, name)))
		if err != nil || digest.FromBytes(text).Encoded() != name {
			t.Errorf("blob %s has %d other bytes, %v", name, len(text), err)
		}
	}
	ix, err := l.Index(t.Context())
	if n := len(ix.Manifests); err != nil || n > len(d.tags) {
		t.Errorf("index is %+v, %v", ix, err)
	}
}

// wantDone wants what the deed should come to, and no more.
func (d deed) wantDone(t *testing.T, l *cas.Layout) {
	t.Helper()
	d.wantWhole(t, l)
	for _, text := range d.blobs {
		if _, err := l.Stat(t.Context(), digest.FromString(text)); err != nil {
			t.Error(err)
		}
	}
	if all := names(t, filepath.Dir(l.Path(digest.FromString("x")))); len(all) != len(d.blobs) {
		t.Errorf("there are the blobs %q, want %d", all, len(d.blobs))
	}
	if ix, err := l.Index(t.Context()); err != nil || len(ix.Manifests) != len(d.tags) {
		t.Errorf("index is %+v, %v; want %q", ix, err, d.tags)
	}
	again := openLayout(t, l.Dir())
	if left := leftovers(t, again); len(left) > 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

// TestFaultsOfOpen does the same with the making of a store, and with the sweeping of one.
func TestFaultsOfOpen(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"new": func(*testing.T, string) {},
		"left in a hurry": func(t *testing.T, dir string) {
			l := openLayout(t, dir)
			data, state := saved(t, l, "old", []byte("bytes"))
			future, _ := saved(t, l, "future", []byte("bytes"))
			_, orphan := saved(t, l, "orphan", []byte("bytes"))
			old, late := time.Now().Add(-20*24*time.Hour), time.Now().Add(time.Hour)
			err := errors.Join(os.WriteFile(filepath.Join(dir, "tmp", ".partial-1"), nil, 0o600), os.Remove(filepath.Join(dir, "uploads", "orphan.data")),
				os.Chtimes(data, old, old), os.Chtimes(state, old, old), os.Chtimes(orphan, old, old), os.Chtimes(future, late, late))
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			open := func(t *testing.T) (*faultfs.FS, string) {
				dir := filepath.Join(t.TempDir(), "store")
				prepare(t, dir)
				return faultfs.New(), dir
			}
			disk, dir := open(t)
			if _, err := cas.OpenLayoutOn(disk, dir); err != nil {
				t.Fatal(err)
			}
			for op, n := range disk.Calls() {
				for i := range n * len(faults[op]) {
					errno := faults[op][i/n]
					t.Run(fmt.Sprintf("%s %d %v", op, i%n+1, errno), func(t *testing.T) {
						disk, dir := open(t)
						disk.Fail(op, i%n+1, true, errno)
						_, err := cas.OpenLayoutOn(disk, dir)
						disk.Heal()
						if op != faultfs.Flock { // to the sweep a file that cannot be locked is in use
							wantFault(t, op, dir, errno, err)
						}
						l, err := cas.OpenLayoutOn(disk, dir)
						if err != nil {
							t.Fatal(err)
						}
						deed{}.wantDone(t, l)
						if left := names(t, filepath.Join(dir, "uploads")); name != "new" && len(left) != 2 {
							t.Errorf("uploads are %q, want the one of the future", left)
						}
					})
				}
			}
		})
	}
}

// A source that fails is not the store's fault.
func TestFaultOfSource(t *testing.T) {
	l := openLayout(t, t.TempDir())
	var fault *cas.FaultError
	if _, _, err := l.Put(t.Context(), "", iotest.ErrReader(syscall.EIO)); !errors.Is(err, syscall.EIO) || errors.As(err, &fault) {
		t.Errorf("Put = %v; want the error of the source, and none of the store", err)
	}
	u := upload(t, l, "x")
	if _, err := u.ReadFrom(iotest.ErrReader(syscall.EIO)); !errors.Is(err, syscall.EIO) || errors.As(err, &fault) {
		t.Errorf("ReadFrom = %v; want the error of the source, and none of the store", err)
	}
	if _, err := u.Write([]byte("text")); err != nil {
		t.Errorf("after the source failed, another one is refused: %v", err)
	}
	if err := u.Discard(); err != nil {
		t.Error(err)
	}
}

// A disk that cannot be written past its cache is written through it.
func TestPutLargeWithoutDirect(t *testing.T) {
	blob := noise(largeSize)
	for _, op := range []faultfs.Op{faultfs.Open, faultfs.Write} {
		l, disk := faulty(t, deed{})
		first := 1
		if op == faultfs.Write {
			first = 17 // after those of the first 16 MiB
		}
		disk.Fail(op, first, false, syscall.EINVAL)
		if _, _, err := l.Put(t.Context(), "", bytes.NewReader(blob)); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		wantFile(t, l, blob)
	}
}

func TestDurable(t *testing.T) {
	l, disk := faulty(t, deed{})
	if err := l.Durable(); err != nil {
		t.Error(err)
	}
	disk.Fail(faultfs.SyncDir, 1, true, syscall.ENOTSUP)
	if err := l.Durable(); !errors.Is(err, syscall.ENOTSUP) || !strings.Contains(err.Error(), l.Dir()) {
		t.Errorf("Durable = %v; want an error that names the store", err)
	}
	if _, err := cas.PutBytes(t.Context(), l, []byte("x")); err != nil {
		t.Errorf("a folder that cannot be synced keeps blobs all the same: %v", err)
	}
}
