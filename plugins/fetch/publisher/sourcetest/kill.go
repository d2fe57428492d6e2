package sourcetest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// deaths is how often a download is killed.
const deaths = 5

// killBlock leaves what lies in buffers between the publisher and the disk within a block, as 8 MiB do.
const killBlock = 4 * Block

var kills = map[string]func(*visit){
	"and goes on": func(v *visit) {
		if !v.Sums && !v.Versions {
			v.Skip("nothing shows that two transfers are of one file")
		}
		v.block = killBlock
		v.right()
		total := v.all()
		v.partial = v.TempDir()
		for range deaths {
			v.killed(total / (deaths + 1))
		}
		v.heals()
		v.right()
		if twice := v.all() - 2*total; twice > deaths*killBlock {
			v.Errorf("%d kills cost %d bytes, want at most %d", deaths, twice, deaths*killBlock)
		}
	},
	"before the list": func(v *visit) {
		ctx, cancel := context.WithCancel(v.Context())
		v.meets(func(string) bool { return true }, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				cancel()
				publisher.Silent(h).ServeHTTP(w, r)
			})
		})
		if _, err := v.fetch(ctx); !errors.Is(err, context.Canceled) {
			v.Errorf("ended with %v", err)
		}
		v.heals()
		v.right()
	},
}

// killed ends a run when the publisher has given so many bytes. What a kill leaves is what lies on the disk at that
// moment: the run is given the time to tidy up, but not the disk on which it does.
func (v *visit) killed(after int64) {
	ctx, cancel := context.WithCancel(v.Context())
	defer cancel()
	left := v.TempDir()
	var mu sync.Mutex
	v.meets(func(f string) bool { return f != "" }, publisher.Tap(func(n int) {
		mu.Lock()
		defer mu.Unlock()
		was := after
		if after -= int64(n); was > 0 && after <= 0 {
			if err := snapshot(v.partial, left); err != nil {
				v.Error(err)
			}
			cancel()
		}
	}))
	if _, err := v.fetch(ctx); !errors.Is(err, context.Canceled) {
		v.Fatalf("the run was not killed: %v", err)
	}
	v.partial = left
}

// snapshot copies a folder of partial files as it is now. What the files say of the bytes is copied before them, since
// they are written after them.
func snapshot(from, to string) error {
	for _, first := range []string{"journal", "marks"} {
		if err := copyFile(filepath.Join(from, first), filepath.Join(to, first)); err != nil {
			return err
		}
	}
	all, err := os.ReadDir(from)
	for _, f := range all {
		if name := f.Name(); err == nil && name != "journal" && name != "marks" {
			err = copyFile(filepath.Join(from, name), filepath.Join(to, name))
		}
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
