package cas_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

func upload(t *testing.T, l *cas.Layout, name string) *cas.Upload {
	t.Helper()
	u, err := l.Upload(name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// saved leaves an upload of these bytes behind, and returns its two files.
func saved(t *testing.T, l *cas.Layout, name string, b []byte) (data, state string) {
	t.Helper()
	u := upload(t, l, name)
	if _, err := u.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(u.Save(nil), u.Close()); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(l.Dir(), "uploads", name)
	return base + ".data", base + ".state"
}

func hashState(t *testing.T, b []byte) []byte {
	t.Helper()
	h := sha256.New()
	h.Write(b)
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// A state that is not fully understood is none: the upload begins anew and no byte of it is wrong.
func TestUploadDoubtsState(t *testing.T) {
	bytes1000 := noise(1000)
	good := cas.Seal(cas.UploadSchema, "x", 1000, hashState(t, bytes1000))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		state []byte
		data  int
		goes  int64
	}{
		"whole":                {good, 1000, 1000},
		"bytes after the save": {good, 2000, 1000},
		"empty":                {nil, 1000, 0},
		"torn":                 {good[:len(good)-1], 1000, 0},
		"longer":               {append(bytes.Clone(good), ' '), 1000, 0},
		"flipped bit":          {flipped, 1000, 0},
		"data shorter":         {good, 999, 0},
		"data gone":            {good, 0, 0},
		"of another upload":    {cas.Seal(cas.UploadSchema, "y", 1000, hashState(t, bytes1000)), 1000, 0},
		"another version":      {cas.Seal("cairn/upload/v2", "x", 1000, hashState(t, bytes1000)), 1000, 0},
		"negative":             {cas.Seal(cas.UploadSchema, "x", -1, hashState(t, nil)), 1000, 0},
		"foreign hash":         {cas.Seal(cas.UploadSchema, "x", 1000, []byte("sha512 of tomorrow")), 1000, 0},
		"no hash":              {cas.Seal(cas.UploadSchema, "x", 1000, nil), 1000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := openLayout(t, t.TempDir())
			data, state := saved(t, l, "x", bytes1000)
			err := errors.Join(os.WriteFile(state, c.state, 0o600), os.WriteFile(data, append(bytes1000, make([]byte, 1000)...)[:c.data], 0o600))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := l.Unfinished("x"); n != c.goes || err != nil {
				t.Errorf("%d bytes are unfinished, %v; want %d", n, err, c.goes)
			}
			u := upload(t, l, "x")
			if u.Offset() != c.goes {
				t.Fatalf("goes on at %d, want %d", u.Offset(), c.goes)
			}
			if _, err := u.Write(bytes1000[u.Offset():]); err != nil {
				t.Fatal(err)
			}
			d, _, err := u.Commit(t.Context())
			if err != nil || d != digest.FromBytes(bytes1000) {
				t.Fatalf("Commit = %s, %v; want %s", d, err, digest.FromBytes(bytes1000))
			}
			if b, err := cas.ReadAll(t.Context(), l, d, 1000); err != nil || !bytes.Equal(b, bytes1000) {
				t.Fatalf("ReadAll = %d bytes, %v", len(b), err)
			}
		})
	}
}

func FuzzUploadState(f *testing.F) {
	f.Add(cas.Seal(cas.UploadSchema, "x", 10, []byte("hash")), int64(10))
	f.Add([]byte("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"), int64(0))
	f.Fuzz(func(t *testing.T, state []byte, size int64) {
		if offset, ok := cas.Unseal("x", size, state); ok && (offset < 0 || offset > size) {
			t.Errorf("offset %d of %d bytes was believed", offset, size)
		}
	})
}

// What nobody came back to is removed, what is in use or young is not, whatever the clock says.
func TestOpenLayoutSweepsUploads(t *testing.T) {
	day := 24 * time.Hour
	now := time.Now()
	for name, c := range map[string]struct {
		age  time.Duration
		held bool
		want bool
	}{
		"young":          {13 * day, false, true},
		"old":            {15 * day, false, false},
		"old and in use": {15 * day, true, true},
		"of the future":  {-400 * day, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := openLayout(t, t.TempDir())
			data, state := saved(t, l, "x", []byte("bytes"))
			if c.held {
				defer upload(t, l, "x").Close()
			}
			for _, file := range []string{data, state} {
				if err := os.Chtimes(file, now, now.Add(-c.age)); err != nil {
					t.Fatal(err)
				}
			}
			openLayout(t, l.Dir())
			for _, file := range []string{data, state} {
				info, err := os.Stat(file)
				if there := err == nil; there != c.want {
					t.Errorf("%s: %v; want it there: %v", filepath.Base(file), err, c.want)
				}
				if err == nil && info.ModTime().After(time.Now()) {
					t.Errorf("%s is of the future, and will be for ever", filepath.Base(file))
				}
			}
		})
	}
}

// A state that is left over from a kill just after Commit goes when it is old.
func TestOpenLayoutSweepsState(t *testing.T) {
	l := openLayout(t, t.TempDir())
	data, state := saved(t, l, "x", []byte("bytes"))
	old := time.Now().Add(-15 * 24 * time.Hour)
	if err := errors.Join(os.Remove(data), os.Chtimes(state, old, old)); err != nil {
		t.Fatal(err)
	}
	openLayout(t, l.Dir())
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state is still there: %v", err)
	}
}

const (
	killedSize = 8 << 20
	killedStep = 40_000 // neither a block nor a page
)

// The process that writes is killed again and again. The next one begins where the last Save was, or after it, and
// the blob is that of a process that was left alone.
func TestUploadSurvivesKills(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	want := digest.FromBytes(noise(killedSize))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := openLayout(t, dir)
	processes, kept := 0, int64(0)
	for there := false; !there; processes++ {
		kept = uploadUntilKilled(t, dir, kept, 1+random.IntN(40))
		_, err := l.Stat(t.Context(), want)
		there = err == nil
	}
	if processes < 4 {
		t.Errorf("%d processes were enough", processes)
	}
	l = openLayout(t, dir)
	r, err := cas.ReadAll(t.Context(), l, want, killedSize)
	if err != nil || len(r) != killedSize {
		t.Fatalf("ReadAll(%s) = %d bytes, %v", want, len(r), err)
	}
	if names := leftovers(t, l); len(names) > 0 {
		t.Errorf("left in tmp: %q", names)
	}
}

// uploadUntilKilled kills the helper after some of its lines, and returns what it is known to have saved.
func uploadUntilKilled(t *testing.T, dir string, kept int64, lines int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperUploader$")
	cmd.Env, cmd.Stderr = append(os.Environ(), "CAS_UPLOADER_DIR="+dir), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() // reports the kill, if there was one
	defer cmd.Process.Kill()
	scan := bufio.NewScanner(out)
	for range lines {
		if !scan.Scan() {
			return kept
		}
		var offset int64
		if _, err := fmt.Sscanf(scan.Text(), "begins at %d", &offset); err == nil && offset < kept {
			t.Fatalf("goes on at %d, but %d bytes were saved", offset, kept)
		}
		if _, err := fmt.Sscanf(scan.Text(), "saved %d", &offset); err == nil {
			kept = offset
		}
	}
	return kept
}

// TestHelperUploader is the other process of TestUploadSurvivesKills; alone it does nothing.
func TestHelperUploader(t *testing.T) {
	dir := os.Getenv("CAS_UPLOADER_DIR")
	if dir == "" {
		t.Skip("runs only as a helper process")
	}
	u := upload(t, openLayout(t, dir), "shard")
	blob := noise(killedSize)
	at := u.Offset()
	fmt.Println("begins at", at)
	for at < killedSize {
		n, err := u.Write(blob[at:min(at+killedStep, killedSize)])
		if err != nil {
			t.Fatal(err)
		}
		at += int64(n)
		fmt.Println("wrote", at)
		if at/killedStep%8 == 0 {
			if err := u.Save(nil); err != nil {
				t.Fatal(err)
			}
			fmt.Println("saved", at)
		}
	}
	if d, _, err := u.Commit(t.Context()); err != nil || d != digest.FromBytes(blob) {
		t.Fatalf("Commit = %s, %v", d, err)
	}
}
