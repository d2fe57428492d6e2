package artifact

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

const (
	testLeast = 16 << 10
	testMost  = 128 << 10
)

func cutTest(files []File) [][]File { return shards(sorted(files), testLeast, testMost) }

func drawFiles(t *rapid.T) []File {
	n := rapid.IntRange(2, 400).Draw(t, "n")
	typical := rapid.SampledFrom([]int64{100, 3000, 20_000, 60_000}).Draw(t, "typical")
	salt := rapid.Uint64().Draw(t, "salt")
	var out []File
	for i := range n {
		out = append(out, File{
			Path:   fmt.Sprintf("train/%x-%05d.npy", salt, i),
			Size:   rapid.Int64Range(0, 2*typical).Draw(t, "size"),
			Digest: digest.FromString(fmt.Sprint(i)),
		})
	}
	return out
}

// identities names each shard by all that is in it.
func identities(shards [][]File) map[string]bool {
	out := map[string]bool{}
	for _, s := range shards {
		h := sha256.New()
		for _, f := range s {
			fmt.Fprintln(h, f)
		}
		out[fmt.Sprintf("%x", h.Sum(nil))] = true
	}
	return out
}

func newShards(before, after []File) int {
	old, n := identities(cutTest(before)), 0
	for id := range identities(cutTest(after)) {
		if !old[id] {
			n++
		}
	}
	return n
}

func TestShardsKeepOrderAndSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t)
		cut := cutTest(files)
		if got := slices.Concat(cut...); !slices.Equal(got, sorted(files)) {
			t.Fatal("shards are not the sorted files")
		}
		for _, s := range cut {
			var size int64
			for _, f := range s {
				size += tarSize(f)
			}
			if size > testMost && len(s) > 1 {
				t.Errorf("a shard of %d files has %d bytes", len(s), size)
			}
		}
	})
}

func TestNewBytesOfTheSameSizeChangeOneShard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t)
		after := slices.Clone(files)
		after[rapid.IntRange(0, len(files)-1).Draw(t, "which")].Digest = digest.FromString("changed")
		if n := newShards(files, after); n != 1 {
			t.Errorf("%d shards changed", n)
		}
	})
}

// A file that comes, goes or changes its size moves the cuts about it, and no others.
func TestOtherChangesStayLocal(t *testing.T) {
	total, far, worst := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t)
		i := rapid.IntRange(0, len(files)-1).Draw(t, "which")
		grown := slices.Clone(files)
		grown[i].Size += rapid.Int64Range(1, 5000).Draw(t, "more")
		for _, after := range [][]File{grown, slices.Delete(slices.Clone(files), i, i+1)} {
			n := newShards(files, after)
			worst = max(worst, n)
			if total++; n > 2 {
				far++
			}
			if back := newShards(after, files); back > 2 {
				far++
			}
		}
	})
	t.Logf("%d of %d changes touched more than two shards, at most %d", far, 2*total, worst)
	if far*20 > 2*total {
		t.Errorf("%d of %d changes touched more than two shards; want fewer than one in twenty", far, 2*total)
	}
}

func TestSamplesStayTogether(t *testing.T) {
	var files []File
	for i := range 300 {
		for _, ext := range []string{"cls", "json", "seg.npy"} {
			files = append(files, File{Path: fmt.Sprintf("train/%04d.%s", i, ext), Size: 2000})
		}
	}
	cut := cutTest(files)
	if len(cut) < 5 {
		t.Fatalf("%d shards, want more", len(cut))
	}
	for _, s := range cut {
		if len(s)%3 != 0 || !strings.HasSuffix(s[0].Path, ".cls") {
			t.Errorf("a shard starts at %s and has %d files", s[0].Path, len(s))
		}
	}
}

func TestLargeFileIsAShard(t *testing.T) {
	files := []File{{Path: "a", Size: 10}, {Path: "b.bin", Size: testMost + 1}, {Path: "b.txt", Size: 10}}
	want := [][]File{files[:1], files[1:2], files[2:]}
	if got := cutTest(files); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("shards are %v", got)
	}
}
