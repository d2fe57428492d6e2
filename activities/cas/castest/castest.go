// Package castest is the suite that any cas.Store passes.
//
// Its first five cases are failures that were seen in well-known writers of OCI layouts: a truncated write
// that stays under the final name, wrong bytes under a digest, index entries lost between goroutines and
// between handles, and rot that is served.
package castest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
)

// Subject is an empty store and the means to try it.
type Subject struct {
	Store cas.Indexed
	// Again opens another handle on the same blobs.
	Again func(t *testing.T) cas.Indexed
	// Rot puts b in the place of the bytes of d, as a bad disk does.
	Rot func(t *testing.T, d digest.Digest, b []byte)
	// Kill ends an upload as the death of its process does; without it uploads are closed instead.
	Kill func(t *testing.T, u *cas.Upload)
	// Foreign says that the blobs lie in somebody else's store, which never replaces what it has under a digest
	// and keeps nothing with a name but the digest.
	Foreign bool
}

func (s Subject) kill(t *testing.T, u *cas.Upload) {
	t.Helper()
	if s.Kill != nil {
		s.Kill(t, u)
		return
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
}

type testCase struct {
	name string
	run  func(*testing.T, Subject)
}

// Run judges a store. It calls open for every case.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range append([]testCase{
		{"truncated write", truncatedWrite},
		{"wrong bytes", wrongBytes},
		{"concurrent index updates", concurrentIndex},
		{"two handles", twoHandles},
		{"rot on read", rotOnRead},
		{"round trip", roundTrip},
		{"absent blob", absent},
		{"put repairs", putRepairs},
		{"remove", remove},
		{"tag replaces", tagReplaces},
		{"foreign digest", foreignDigest},
		{"random access", randomAccess},
		{"read limit", readLimit},
		{"cancelled put", cancelledPut},
		{"same blob at once", sameBlobAtOnce},
	}, uploadCases...) {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func put(t *testing.T, s cas.Store, text string) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), s, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantBlob(t *testing.T, s cas.Store, d digest.Digest, want string) {
	t.Helper()
	got, err := cas.ReadAll(t.Context(), s, d, 16<<20)
	if err != nil || string(got) != want {
		t.Fatalf("ReadAll(%s) = %.100q, %v; want %.100q", d, got, err, want)
	}
}

func wantAbsent(t *testing.T, s cas.Store, d digest.Digest) {
	t.Helper()
	if size, err := s.Stat(t.Context(), d); !errors.Is(err, cas.ErrNotFound) {
		t.Fatalf("Stat(%s) = %d, %v; want ErrNotFound", d, size, err)
	}
}

// truncatedWrite: the source fails after 10 of 100 bytes. Nothing is left, and the next write is whole.
func truncatedWrite(t *testing.T, s Subject) {
	text := strings.Repeat("0123456789", 10)
	want := digest.FromString(text)
	broken := errors.New("connection lost")
	half := io.MultiReader(strings.NewReader(text[:10]), iotest.ErrReader(broken))
	if _, _, err := s.Store.Put(t.Context(), want, half); !errors.Is(err, broken) {
		t.Fatalf("Put of half a blob: %v; want %v", err, broken)
	}
	wantAbsent(t, s.Store, want)
	if _, _, err := s.Store.Put(t.Context(), want, strings.NewReader(text[:10])); err == nil {
		t.Fatal("Put of the first ten bytes as the whole was accepted")
	}
	wantAbsent(t, s.Store, want)
	if d, n, err := s.Store.Put(t.Context(), want, strings.NewReader(text)); d != want || n != 100 || err != nil {
		t.Fatalf("Put = %s, %d, %v", d, n, err)
	}
	wantBlob(t, s.Store, want, text)
}

// wrongBytes: bytes of another digest are refused and not kept under either name.
func wrongBytes(t *testing.T, s Subject) {
	want, got := digest.FromString("abc"), digest.FromString("WRONG")
	_, _, err := s.Store.Put(t.Context(), want, strings.NewReader("WRONG"))
	var mismatch *cas.MismatchError
	if !errors.As(err, &mismatch) || mismatch.Want != want || mismatch.Got != got {
		t.Fatalf("Put = %v; want a MismatchError of %s and %s", err, want, got)
	}
	wantAbsent(t, s.Store, want)
	wantAbsent(t, s.Store, got)
}

// concurrentIndex: of 32 tags made at once, 32 are there.
func concurrentIndex(t *testing.T, s Subject) {
	tagAll(t, func(int) cas.Indexed { return s.Store })
	wantTags(t, s.Again(t), 32)
}

// twoHandles: a handle keeps what another wrote.
func twoHandles(t *testing.T, s Subject) {
	handles := []cas.Indexed{s.Store, s.Again(t)}
	tagAll(t, func(i int) cas.Indexed { return handles[i%2] })
	for _, h := range handles {
		wantTags(t, h, 32)
	}
	wantBlob(t, handles[1], put(t, handles[0], "from one to the other"), "from one to the other")
}

// manifest is a manifest that is told from others by a text. Its config must be in the store, see putConfig.
func manifest(text string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"annotations":{"text":%q}}`,
		ocispec.MediaTypeImageManifest, ocispec.MediaTypeEmptyJSON, digest.FromString("{}"), text)
}

func tagAll(t *testing.T, handle func(int) cas.Indexed) {
	t.Helper()
	ctx := t.Context()
	put(t, handle(0), "{}")
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			h := handle(i)
			text := manifest(tagName(i))
			d, err := cas.PutBytes(ctx, h, text)
			if err == nil {
				err = h.Tag(ctx, map[string]ocispec.Descriptor{tagName(i): {MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: int64(len(text))}})
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func tagName(i int) string { return fmt.Sprintf("name-%02d", i) }

func wantTags(t *testing.T, s cas.Indexed, n int) {
	t.Helper()
	ix, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, d := range ix.Manifests {
		got = append(got, d.Annotations[ocispec.AnnotationRefName])
		if d.Digest != digest.FromBytes(manifest(got[len(got)-1])) {
			t.Errorf("%s names %s", got[len(got)-1], d.Digest)
		}
	}
	for i := range n {
		want = append(want, tagName(i))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("tags are %q, want %q", got, want)
	}
}

// rotOnRead: bytes that changed at rest end in an error and not in io.EOF.
func rotOnRead(t *testing.T, s Subject) {
	var mismatch *cas.MismatchError
	for _, rotten := range []string{"abX", "ab", "abcd", ""} {
		d := put(t, s.Store, "abc")
		s.Rot(t, d, []byte(rotten))
		for _, h := range []cas.Store{s.Store, s.Again(t)} {
			if got, err := cas.ReadAll(t.Context(), h, d, 1<<20); !errors.As(err, &mismatch) || mismatch.Want != d {
				t.Fatalf("rotten to %q: ReadAll = %q, %v; want a MismatchError", rotten, got, err)
			}
		}
		s.Rot(t, d, []byte("abc"))
	}
}

func roundTrip(t *testing.T, s Subject) {
	for _, n := range []int{0, 1, 511, 128 << 10, 300_001} {
		b := bytes.Repeat([]byte{7, byte(n), 13}, n/3+1)[:n]
		d, size, err := s.Store.Put(t.Context(), "", iotest.OneByteReader(bytes.NewReader(b[:min(n, 600)])))
		if err != nil || d != digest.FromBytes(b[:min(n, 600)]) || size != int64(min(n, 600)) {
			t.Fatalf("Put byte by byte = %s, %d, %v", d, size, err)
		}
		if d = put(t, s.Store, string(b)); d != digest.FromBytes(b) {
			t.Fatalf("digest of %d bytes is %s", n, d)
		}
		wantBlob(t, s.Store, d, string(b))
		if size, err := s.Store.Stat(t.Context(), d); size != int64(n) || err != nil {
			t.Fatalf("Stat = %d, %v; want %d", size, err, n)
		}
	}
}

func absent(t *testing.T, s Subject) {
	d := digest.FromString("nobody put this")
	wantAbsent(t, s.Store, d)
	_, err := s.Store.Open(t.Context(), d)
	_, errAt := s.Store.OpenAt(t.Context(), d)
	for _, err := range []error{err, errAt} {
		if !errors.Is(err, cas.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), d.String()) {
			t.Errorf("open: %v; want ErrNotFound that names the blob", err)
		}
	}
}

// putRepairs: the right bytes take the place of rotten ones.
func putRepairs(t *testing.T, s Subject) {
	if s.Foreign {
		t.Skip("this store never replaces a blob")
	}
	d := put(t, s.Store, "abc")
	s.Rot(t, d, []byte("abX"))
	put(t, s.Store, "abc")
	wantBlob(t, s.Store, d, "abc")
}

// remove: a blob that is given up is gone for every handle, its neighbours stay, and it can come back.
func remove(t *testing.T, s Subject) {
	p, ok := s.Store.(cas.Pruner)
	if !ok {
		t.Skip("this store gives nothing up")
	}
	gone, stays := put(t, p, "gone"), put(t, p, "stays")
	for range 2 {
		if err := p.Remove(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s.Again(t), gone)
	}
	wantBlob(t, p, stays, "stays")
	put(t, p, "gone")
	wantBlob(t, s.Again(t), gone, "gone")
	if err := p.Remove(t.Context(), "sha256:../../etc/passwd"); err == nil {
		t.Error("what is no digest was removed")
	}
}

func tagReplaces(t *testing.T, s Subject) {
	put(t, s.Store, "{}")
	for _, text := range []string{"first", "second"} {
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: put(t, s.Store, string(manifest(text))), Annotations: map[string]string{"keep": text}}
		if err := s.Store.Tag(t.Context(), map[string]ocispec.Descriptor{"latest": d}); err != nil {
			t.Fatal(err)
		}
		if len(d.Annotations) != 1 {
			t.Errorf("Tag changed its argument: %v", d.Annotations)
		}
	}
	ix, err := s.Again(t).Index(t.Context())
	if err != nil || len(ix.Manifests) != 1 || ix.Manifests[0].Digest != digest.FromBytes(manifest("second")) {
		t.Fatalf("index is %+v, %v; want the second blob only", ix.Manifests, err)
	}
	if ix.Manifests[0].Annotations["keep"] != "second" && !s.Foreign {
		t.Errorf("annotations are %v; want those that were given", ix.Manifests[0].Annotations)
	}
}

// foreignDigest: what is no sha256 digest never becomes a path.
func foreignDigest(t *testing.T, s Subject) {
	for _, d := range []digest.Digest{"", "sha256:../../etc/passwd", "sha256:abc", digest.Digest("sha512:" + strings.Repeat("ab", 64)), "md5:d41d8cd98f00b204e9800998ecf8427e"} {
		_, statErr := s.Store.Stat(t.Context(), d)
		_, openErr := s.Store.Open(t.Context(), d)
		_, openAtErr := s.Store.OpenAt(t.Context(), d)
		for _, err := range []error{statErr, openErr, openAtErr} {
			if err == nil || errors.Is(err, cas.ErrNotFound) {
				t.Errorf("%q: %v; want an error other than ErrNotFound", d, err)
			}
		}
		if _, _, err := s.Store.Put(t.Context(), d, strings.NewReader("x")); err == nil && d != "" {
			t.Errorf("Put under %q was accepted", d)
		}
		if err := s.Store.Tag(t.Context(), map[string]ocispec.Descriptor{"a": {Digest: digest.FromString("a")}, "x": {Digest: d}}); err == nil {
			t.Errorf("Tag of %q was accepted", d)
		}
	}
	if ix, err := s.Store.Index(t.Context()); err != nil || len(ix.Manifests) > 0 {
		t.Errorf("index is %+v, %v; want none of a refused set of names", ix.Manifests, err)
	}
}

func randomAccess(t *testing.T, s Subject) {
	r, err := s.Store.OpenAt(t.Context(), put(t, s.Store, "0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := make([]byte, 4)
	if n, err := r.ReadAt(b, 3); n != 4 || err != nil || string(b) != "3456" {
		t.Fatalf("ReadAt = %d, %v, %q", n, err, b)
	}
	if n, err := r.ReadAt(b, 8); n != 2 || !errors.Is(err, io.EOF) {
		t.Fatalf("ReadAt over the end = %d, %v; want 2, EOF", n, err)
	}
}

func readLimit(t *testing.T, s Subject) {
	d := put(t, s.Store, "0123456789")
	if _, err := cas.ReadAll(t.Context(), s.Store, d, 9); !errors.Is(err, cas.ErrTooLarge) {
		t.Fatalf("ReadAll of ten bytes with limit nine: %v", err)
	}
	if _, err := cas.ReadAll(t.Context(), s.Store, d, 10); err != nil {
		t.Fatal(err)
	}
}

func cancelledPut(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Store.Put(ctx, "", strings.NewReader("late")); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put = %v; want context.Canceled", err)
	}
	wantAbsent(t, s.Store, digest.FromString("late"))
}

func sameBlobAtOnce(t *testing.T, s Subject) {
	text := strings.Repeat("same", 10_000)
	ctx, errs := t.Context(), make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = cas.PutBytes(ctx, s.Store, []byte(text)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s.Store, digest.FromString(text), text)
}
