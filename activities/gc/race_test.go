package gc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
)

// TestCollectorsAndRuns: runs in several processes make, find, share, publish and give up results while collectors
// remove what they can. Whatever a run relies on is whole until it has ended, and so is whatever is named.
func TestCollectorsAndRuns(t *testing.T) {
	dir := t.TempDir()
	var runs, collectors sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		p := open(t, dir)
		collectors.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := p.gc.Collect(context.WithoutCancel(t.Context()), today, false); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var made, found sync.Map
	for n := range 4 {
		p := open(t, dir)
		runs.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 7))
			for i := range 6 {
				if err := oneRun(t.Context(), p, random, fmt.Sprintf("run-%d", n), i, &made, &found); err != nil {
					t.Errorf("run %d of process %d: %v", i, n, err)
					return
				}
			}
		})
	}
	runs.Wait()
	close(stop)
	collectors.Wait()
	if count(&made) < 8 || count(&found) == 0 {
		t.Errorf("%d results were made, %d found: nothing was raced for", count(&made), count(&found))
	}
	ix, err := open(t, dir).Store.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ix.Manifests {
		if err := whole(t.Context(), open(t, dir), m.Digest); err != nil {
			t.Errorf("%s: %v", m.Annotations[ocispec.AnnotationRefName], err)
		}
	}
}

func count(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// oneRun does a few of eight actions, so that others do the same ones, and looks at the end whether all it relied on
// is there.
func oneRun(ctx context.Context, p *process, random *rand.Rand, run string, try int, made, found *sync.Map) error {
	ctx = gc.WithRun(ctx, run, fmt.Sprint(try))
	var have []digest.Digest
	for range 1 + random.IntN(4) {
		k := random.IntN(8)
		e, hit, err := once(ctx, p, k)
		if err != nil {
			return err
		}
		have = append(have, e.Artifact, e.Record)
		if hit {
			found.Store(fmt.Sprint(run, try, k), true)
		} else {
			made.Store(fmt.Sprint(run, try, k), true)
		}
	}
	for _, d := range have {
		if err := whole(ctx, p, d); err != nil {
			return err
		}
	}
	if random.IntN(2) == 0 {
		named := map[string]ocispec.Descriptor{run: {MediaType: ocispec.MediaTypeImageManifest, Digest: have[0]}}
		if err := p.Store.Tag(ctx, named); err != nil {
			return err
		}
	}
	return p.gc.End(run)
}

// once does an action as execute does it.
func once(ctx context.Context, p *process, k int) (actioncache.Entry, bool, error) {
	text := fmt.Sprintf("action %d", k)
	id := action.ID(digest.FromString(text))
	unlock, err := p.Cache.Lock(ctx, id, nil)
	if err != nil {
		return actioncache.Entry{}, false, err
	}
	defer unlock()
	e, miss, err := p.Cache.Get(ctx, id)
	if err != nil || miss.Reason == "" {
		return e, true, err
	}
	if _, err := cas.PutBytes(ctx, p.Store, []byte(text)); err != nil {
		return e, false, err
	}
	e = actioncache.Entry{Action: id}
	if e.Artifact, err = pack(ctx, p, fmt.Sprintf("data %d", k)); err != nil {
		return e, false, err
	}
	if e.Record, err = pack(ctx, p, fmt.Sprintf("record %d %d", k, rand.Int())); err != nil {
		return e, false, err
	}
	return e, false, p.Cache.Put(ctx, e)
}

func pack(ctx context.Context, p *process, text string) (digest.Digest, error) {
	files := []artifact.File{{Path: "file", Size: int64(len(text)), Digest: digest.FromString(text)}}
	d, err := artifact.Pack(ctx, p.Store, artifact.Dataset, files, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	})
	return d.Digest, err
}

// whole reads every blob of an artifact.
func whole(ctx context.Context, p *process, d digest.Digest) error {
	blobs, err := artifact.Blobs(ctx, p.Store, d)
	for _, b := range blobs {
		_, missing := cas.ReadAll(ctx, p.Store, b.Digest, 1<<20)
		err = errors.Join(err, missing)
	}
	return err
}
