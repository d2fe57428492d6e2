package cas_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
)

// smallDisk mounts 8 MiB, and returns what makes them 64.
func smallDisk(t *testing.T) (dir string, enlarge func()) {
	t.Helper()
	dir = t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	mount := func(options string) error {
		out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput()
		if err != nil {
			return errors.New(string(out))
		}
		return nil
	}
	if err := mount("size=8m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", dir).Run(); err != nil {
			t.Errorf("umount: %v", err)
		}
	})
	return dir, func() {
		if err := mount("remount,size=64m"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDisk fills a real disk in several ways. Each time the error says so, nothing is half there, and the same
// again succeeds once there is room.
func TestFullDisk(t *testing.T) {
	blob := noise(20 << 20)
	for name, do := range map[string]func(ctx context.Context, l *cas.Layout) error{
		"put": func(ctx context.Context, l *cas.Layout) error {
			_, _, err := l.Put(ctx, digest.FromBytes(blob), bytes.NewReader(blob))
			return err
		},
		"small blobs": func(ctx context.Context, l *cas.Layout) error {
			for rest := blob; len(rest) > 0; rest = rest[100<<10:] {
				if _, err := cas.PutBytes(ctx, l, rest[:100<<10]); err != nil {
					return err
				}
				if len(rest) < 200<<10 {
					break
				}
			}
			return nil
		},
		"upload": func(ctx context.Context, l *cas.Layout) error {
			u, err := l.Upload("x")
			if err != nil {
				return err
			}
			defer u.Close()
			for at := u.Offset(); at < int64(len(blob)); at = u.Offset() {
				if _, err := u.Write(blob[at : at+1<<20]); err != nil {
					return err
				}
				if err := u.Save(nil); err != nil {
					return err
				}
			}
			_, _, err = u.Commit(ctx)
			return err
		},
		"artifact": func(ctx context.Context, l *cas.Layout) error {
			file := artifact.File{Path: "train/a.npy", Size: int64(len(blob)), Digest: digest.FromBytes(blob)}
			_, err := artifact.Pack(ctx, l, artifact.Dataset, []artifact.File{file}, func(string) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(blob)), nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, enlarge := smallDisk(t)
			l := openLayout(t, dir)
			err := do(t.Context(), l)
			if !errors.Is(err, cas.ErrFull) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "KiB are free") {
				t.Fatalf("on a full disk: %v; want ErrFull that names the store and what is free", err)
			}
			deed{}.wantWhole(t, l)
			if left := leftovers(t, openLayout(t, dir)); len(left) > 0 {
				t.Errorf("left in tmp: %q", left)
			}
			enlarge()
			if name == "upload" {
				if u := upload(t, l, "x"); u.Offset() == 0 {
					t.Error("what was saved before the disk was full is lost")
				} else {
					u.Close()
				}
			}
			if err := do(t.Context(), l); err != nil {
				t.Fatalf("with room: %v", err)
			}
			deed{}.wantWhole(t, openLayout(t, dir))
		})
	}
}
