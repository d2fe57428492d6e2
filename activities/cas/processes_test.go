package cas_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
)

const (
	manyProcesses = 4
	manyBlobs     = 12
)

// TestManyProcesses lets several processes open one new store and put the same and other blobs, take up the same
// upload and give names, all at once. Each blob is there once, and no name is lost.
func TestManyProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var helpers []*exec.Cmd
	var starts []io.Closer
	for i := range manyProcesses {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHelperOfMany$")
		cmd.Env = append(os.Environ(), "CAS_MANY_DIR="+dir, "CAS_MANY="+strconv.Itoa(i))
		cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
		start, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		helpers, starts = append(helpers, cmd), append(starts, start)
	}
	for _, start := range starts {
		start.Close()
	}
	for _, cmd := range helpers {
		if err := cmd.Wait(); err != nil {
			t.Errorf("a process failed: %v", err)
		}
	}
	l := openLayout(t, dir)
	wantBlobs := []string{digest.FromBytes(noise(killedSize)).Encoded()}
	var wantTags []string
	for i := range manyBlobs {
		wantBlobs = append(wantBlobs, digest.FromString(sharedBlob(i)).Encoded())
		for p := range manyProcesses {
			wantBlobs = append(wantBlobs, digest.FromString(ownBlob(p, i)).Encoded())
			wantTags = append(wantTags, ownBlob(p, i))
		}
	}
	slices.Sort(wantBlobs)
	slices.Sort(wantTags)
	if have := names(t, filepath.Join(dir, "blobs", "sha256")); !slices.Equal(have, wantBlobs) {
		t.Errorf("%d blobs, want %d and no others", len(have), len(wantBlobs))
	}
	ix, err := l.Index(t.Context())
	var tags []string
	for _, d := range ix.Manifests {
		tags = append(tags, d.Annotations[ocispec.AnnotationRefName])
		if _, err := cas.ReadAll(t.Context(), l, d.Digest, 1<<20); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(tags)
	if err != nil || !slices.Equal(tags, wantTags) {
		t.Errorf("%d names, %v; want %d", len(tags), err, len(wantTags))
	}
	if left := leftovers(t, l); len(left) > 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

func sharedBlob(i int) string       { return fmt.Sprintf("shared %d", i) }
func ownBlob(process, i int) string { return fmt.Sprintf("of process %d, %d", process, i) }

// TestHelperOfMany is one of the processes of TestManyProcesses; alone it does nothing.
func TestHelperOfMany(t *testing.T) {
	process, err := strconv.Atoi(os.Getenv("CAS_MANY"))
	if err != nil {
		t.Skip("runs only as a helper process")
	}
	_, _ = io.ReadAll(os.Stdin) // until all are there
	l := openLayout(t, os.Getenv("CAS_MANY_DIR"))
	for i := range manyBlobs {
		if _, err := cas.PutBytes(t.Context(), l, []byte(sharedBlob(i))); err != nil {
			t.Fatal(err)
		}
		own := ownBlob(process, i)
		d, err := cas.PutBytes(t.Context(), l, []byte(own))
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]ocispec.Descriptor{own: {MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: int64(len(own))}}
		if err := l.Tag(t.Context(), named); err != nil {
			t.Fatal(err)
		}
		if err := uploadShared(t, l); err != nil && !errors.Is(err, cas.ErrBusy) {
			t.Fatal(err)
		}
	}
}

// uploadShared writes the next part of an upload that all processes want to end.
func uploadShared(t *testing.T, l *cas.Layout) error {
	u, err := l.Upload("shared")
	if err != nil {
		return err
	}
	defer u.Close()
	blob := noise(killedSize)
	end := min(int(u.Offset())+killedSize/4+1, killedSize)
	if _, err := u.Write(blob[u.Offset():end]); err != nil {
		return err
	}
	if end < killedSize {
		return u.Save(nil)
	}
	_, _, err = u.Commit(t.Context())
	return err
}
