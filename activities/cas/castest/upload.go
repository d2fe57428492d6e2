package castest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// uploadCases try a store that is a cas.Uploader.
var uploadCases = []testCase{
	{"upload in one go", uploadInOneGo},
	{"upload over many deaths", uploadOverManyDeaths},
	{"upload never saved", uploadNeverSaved},
	{"upload is busy", uploadIsBusy},
	{"upload discarded", uploadDiscarded},
	{"upload under a wrong name", uploadWrongName},
	{"cancelled commit", cancelledCommit},
	{"upload repairs", uploadRepairs},
}

func uploader(t *testing.T, s cas.Store) cas.Uploader {
	t.Helper()
	u, ok := s.(cas.Uploader)
	if !ok {
		t.Skip("this store takes no blob in pieces")
	}
	return u
}

func takeUp(t *testing.T, s cas.Store, name string, offset int64, note string) *cas.Upload {
	t.Helper()
	u, err := uploader(t, s).Upload(name)
	if err != nil {
		t.Fatal(err)
	}
	if u.Offset() != offset || string(u.Note()) != note {
		t.Fatalf("upload %s goes on at %d with note %q, want %d, %q", name, u.Offset(), u.Note(), offset, note)
	}
	return u
}

func write(t *testing.T, u *cas.Upload, b []byte) {
	t.Helper()
	if n, err := u.Write(b); n != len(b) || err != nil {
		t.Fatalf("Write of %d bytes = %d, %v", len(b), n, err)
	}
}

func save(t *testing.T, u *cas.Upload, note string) {
	t.Helper()
	if err := u.Save([]byte(note)); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, u *cas.Upload, want []byte) {
	t.Helper()
	d, size, err := u.Commit(t.Context())
	if err != nil || d != digest.FromBytes(want) || size != int64(len(want)) {
		t.Fatalf("Commit = %s, %d, %v; want %s, %d", d, size, err, digest.FromBytes(want), len(want))
	}
}

// noise is what no two calls with different seeds have in common.
func noise(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	out := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(out)
	return out
}

// uploadInOneGo: pieces of all sizes make the blob of their bytes, and nothing can be done after the end.
func uploadInOneGo(t *testing.T, s Subject) {
	for _, step := range []int{0, 1 << 10, 100_000, 128 << 10, 1 << 20} {
		blob := noise(uint64(step), step*3+step/7)
		u := takeUp(t, s.Store, "one.go", 0, "")
		for rest := blob; len(rest) > 0; {
			n := min(step, len(rest))
			write(t, u, rest[:n])
			rest = rest[n:]
		}
		commit(t, u, blob)
		wantBlob(t, s.Again(t), digest.FromBytes(blob), string(blob))
		if err := errors.Join(u.Close(), u.Discard()); err != nil {
			t.Errorf("after Commit: %v", err)
		}
		_, err := u.Write([]byte("more"))
		_, _, again := u.Commit(t.Context())
		if err == nil || u.Save(nil) == nil || again == nil {
			t.Error("an upload that has ended goes on")
		}
		wantBlob(t, s.Store, digest.FromBytes(blob), string(blob))
	}
}

// uploadOverManyDeaths: what was saved stays, what was not is gone, however its holder ended.
func uploadOverManyDeaths(t *testing.T, s Subject) {
	blob := noise(1, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	at, note := 0, ""
	for len(blob)-at > 100_000 {
		u := takeUp(t, s.Again(t), "many-deaths", int64(at), note)
		for range random.IntN(3) {
			n := random.IntN(100_000) / 3
			write(t, u, blob[at:at+n])
			at, note = at+n, strings.Repeat("n", n%5)
			save(t, u, note)
		}
		write(t, u, noise(2, random.IntN(300_000)))
		if random.IntN(2) == 0 {
			s.kill(t, u)
		} else if err := u.Close(); err != nil {
			t.Fatal(err)
		}
	}
	u := takeUp(t, s.Again(t), "many-deaths", int64(at), note)
	write(t, u, blob[at:])
	wantAbsent(t, s.Store, digest.FromBytes(blob))
	commit(t, u, blob)
	wantBlob(t, s.Store, digest.FromBytes(blob), string(blob))
	s.kill(t, takeUp(t, s.Store, "many-deaths", 0, ""))
}

// uploadNeverSaved: bytes that were not saved are no part of the blob.
func uploadNeverSaved(t *testing.T, s Subject) {
	u := takeUp(t, s.Store, "x", 0, "")
	write(t, u, noise(3, 1<<20))
	s.kill(t, u)
	u = takeUp(t, s.Store, "x", 0, "")
	write(t, u, []byte("short"))
	commit(t, u, []byte("short"))
	wantBlob(t, s.Again(t), digest.FromString("short"), "short")
}

// uploadIsBusy: one name has one holder; other names do not mind.
func uploadIsBusy(t *testing.T, s Subject) {
	first, other := takeUp(t, s.Store, "a", 0, ""), takeUp(t, s.Store, "a.data", 0, "")
	for _, h := range []cas.Store{s.Store, s.Again(t)} {
		if _, err := uploader(t, h).Upload("a"); !errors.Is(err, cas.ErrBusy) {
			t.Errorf("Upload while another holds it: %v; want ErrBusy", err)
		}
	}
	write(t, first, []byte("a"))
	write(t, other, []byte("b"))
	save(t, other, "other")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.kill(t, takeUp(t, s.Again(t), "a", 0, ""))
	commit(t, other, []byte("b"))
}

// uploadDiscarded: nothing of it is left.
func uploadDiscarded(t *testing.T, s Subject) {
	u := takeUp(t, s.Store, "gone", 0, "")
	write(t, u, []byte("bytes"))
	save(t, u, "note")
	if err := errors.Join(u.Discard(), u.Discard(), u.Close()); err != nil {
		t.Fatal(err)
	}
	u = takeUp(t, s.Again(t), "gone", 0, "")
	commit(t, u, nil)
	wantAbsent(t, s.Store, digest.FromString("bytes"))
}

func uploadWrongName(t *testing.T, s Subject) {
	for _, name := range []string{"", "A", "a/b", "../a", "a b", strings.Repeat("x", 201)} {
		if _, err := uploader(t, s.Store).Upload(name); err == nil {
			t.Errorf("Upload(%q) was accepted", name)
		}
	}
	for _, name := range []string{".", "..", "sha256-0_9", strings.Repeat("x", 200)} {
		u := takeUp(t, s.Store, name, 0, "")
		write(t, u, []byte(name))
		commit(t, u, []byte(name))
	}
}

// cancelledCommit: a commit that came too late keeps nothing and loses nothing.
func cancelledCommit(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u := takeUp(t, s.Store, "late", 0, "")
	write(t, u, []byte("late"))
	if _, _, err := u.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Commit = %v; want context.Canceled", err)
	}
	wantAbsent(t, s.Store, digest.FromString("late"))
	commit(t, u, []byte("late"))
}

// uploadRepairs: the right bytes take the place of rotten ones.
func uploadRepairs(t *testing.T, s Subject) {
	u := takeUp(t, s.Store, "repair", 0, "")
	s.Rot(t, put(t, s.Store, "abc"), []byte("abX"))
	if _, err := io.Copy(u, bytes.NewReader([]byte("abc"))); err != nil {
		t.Fatal(err)
	}
	commit(t, u, []byte("abc"))
	wantBlob(t, s.Store, digest.FromString("abc"), "abc")
}
