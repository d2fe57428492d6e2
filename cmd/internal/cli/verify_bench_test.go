package cli

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// BenchmarkVerifyBytes verifies a dataset of BENCH_MIB in shards of 64 MiB, beside the same bytes hashed in memory, and
// hashed as they are read, with as many cores. Each ratio is the median over all rounds of Cairn's time over the
// other's; those with -cpu are of the time of all cores together, which says more on a machine that is shared.
func BenchmarkVerifyBytes(b *testing.B) {
	mib := 512
	if text := os.Getenv("BENCH_MIB"); text != "" {
		mib, _ = strconv.Atoi(text)
	}
	w, made := noiseDataset(b, mib/64)
	shards, inMemory := shardsOf(b, w, made)
	sides := []func() error{
		func() error {
			v, err := verify.Artifact(b.Context(), "noise", made, w.evidence(), verify.Bytes)
			if err == nil && (!v.OK || v.Level != verify.Bytes) {
				err = fmt.Errorf("verdict %+v", v)
			}
			return err
		},
		func() error {
			return allCores(len(shards), func(i int) error { sha256.Sum256(inMemory[i]); return nil })
		},
		func() error {
			return allCores(len(shards), func(i int) error { return hashFile(w.layout.Path(shards[i])) })
		},
	}
	var total time.Duration
	ratios := map[string][]float64{}
	for b.Loop() {
		var took, cpu [3]time.Duration
		for i, work := range sides {
			start, used := time.Now(), cpuTime()
			if err := work(); err != nil {
				b.Fatal(err)
			}
			took[i], cpu[i] = time.Since(start), cpuTime()-used
		}
		total += took[0]
		for i, name := range []string{"raw", "read"} {
			ratios["x-"+name] = append(ratios["x-"+name], float64(took[0])/float64(took[i+1]))
			ratios["x-"+name+"-cpu"] = append(ratios["x-"+name+"-cpu"], float64(cpu[0])/float64(cpu[i+1]))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(mib*b.N)/total.Seconds(), "MiB/s")
	for name, r := range ratios {
		slices.Sort(r)
		b.ReportMetric(r[len(r)/2], name)
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// noiseDataset is a home with a dataset of files of 64 MiB, each of which is a shard.
func noiseDataset(b *testing.B, n int) (*workshop, digest.Digest) {
	b.Helper()
	a := &app{home: b.TempDir(), World: World{Lookup: func(string) (string, bool) { return "", false }}}
	w, err := a.open()
	if err != nil {
		b.Fatal(err)
	}
	noise := func(i int) []byte {
		out := make([]byte, 64<<20)
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(out)
		return out
	}
	files := make([]artifact.File, n)
	for i := range files {
		files[i] = artifact.File{Path: fmt.Sprintf("%03d", i), Size: 64 << 20, Digest: digest.FromBytes(noise(i))}
	}
	d, err := artifact.Pack(b.Context(), w.layout, artifact.Dataset, files, func(path string) (io.ReadCloser, error) {
		i, err := strconv.Atoi(path)
		return io.NopCloser(bytes.NewReader(noise(i))), err
	})
	if err != nil {
		b.Fatal(err)
	}
	return w, d.Digest
}

// shardsOf names the layers of an artifact and holds their bytes.
func shardsOf(b *testing.B, w *workshop, d digest.Digest) ([]digest.Digest, [][]byte) {
	b.Helper()
	m, err := artifact.ReadManifest(b.Context(), w.layout, d)
	if err != nil {
		b.Fatal(err)
	}
	var names []digest.Digest
	var texts [][]byte
	for _, l := range m.Layers {
		text, err := cas.ReadAll(b.Context(), w.layout, l.Digest, 1<<40)
		if err != nil {
			b.Fatal(err)
		}
		names, texts = append(names, l.Digest), append(texts, text)
	}
	return names, texts
}

func hashFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(sha256.New(), struct{ io.Reader }{f}, make([]byte, 256<<10))
	return err
}

// allCores does n pieces of work.
func allCores(n int, work func(i int) error) error {
	var workers sync.WaitGroup
	numbers := make(chan int, n)
	for i := range n {
		numbers <- i
	}
	close(numbers)
	errs := make(chan error, n)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range numbers {
				errs <- work(i)
			}
		})
	}
	workers.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
