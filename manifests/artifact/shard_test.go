package artifact

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

var testSizes = cutSizes{least: 16 << 10, target: 64 << 10, most: 256 << 10}

func cutTest(files []File) [][]File {
	files = sorted(files)
	var out [][]File
	for _, s := range cut(entries(files), testSizes) {
		out = append(out, files[s.From:s.To])
	}
	return out
}

func entries(files []File) []Entry {
	out := make([]Entry, len(files))
	for i, f := range files {
		out[i] = Entry{Path: f.Path, Size: f.Size}
	}
	return out
}

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
				size += tarSize(f.Size)
			}
			if size > testSizes.most && len(s) > 1 {
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
	files := []File{{Path: "a", Size: 10}, {Path: "b.bin", Size: testSizes.most + 1}, {Path: "b.txt", Size: 10}}
	want := [][]File{files[:1], files[1:2], files[2:]}
	if got := cutTest(files); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("shards are %v", got)
	}
}

// Many files of 16 KiB in shards of the usual sizes: whatever becomes of one of them, two new shards at most.
func TestOneOfMany(t *testing.T) {
	const n = 60_000
	files := make([]Entry, n)
	for i := range files {
		files[i] = Entry{Path: fmt.Sprintf("%03d/%06d.dat", i/1000, i), Size: 16 << 10}
	}
	before := Shards(files)
	if len(before) < 10 || len(before) > 40 {
		t.Fatalf("%d shards", len(before))
	}
	known := map[[2]Entry]bool{} // its first and last files tell a shard apart from others of the same files
	for _, s := range before {
		known[[2]Entry{files[s.From], files[s.To-1]}] = true
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		i := r.IntN(n)
		changed := files[i]
		changed.Size = r.Int64N(1 << 20)
		for name, after := range map[string][]Entry{
			"changed": slices.Concat(files[:i], []Entry{changed}, files[i+1:]),
			"removed": slices.Concat(files[:i], files[i+1:]),
			"added":   slices.Concat(files[:i], []Entry{{Path: files[i].Path[:8] + "a.dat", Size: changed.Size}}, files[i:]),
		} {
			fresh := 0
			for _, s := range Shards(after) {
				if !known[[2]Entry{after[s.From], after[s.To-1]}] || s.From <= i && i < s.To {
					fresh++
				}
			}
			if fresh > 2 {
				t.Errorf("file %d %s, %d bytes: %d new shards", i, name, changed.Size, fresh)
			}
		}
	}
}

// Shards have about the size that is aimed at, whatever the files have.
func TestShardsHaveTheirSize(t *testing.T) {
	for _, size := range []int64{0, 1 << 10, 1 << 20, 15 << 20} {
		files := make([]Entry, max(20, (2<<30)/max(tarSize(size), 16<<10)))
		for i := range files {
			files[i] = Entry{Path: fmt.Sprintf("%07d", i), Size: size}
		}
		cut := Shards(files)
		mean := int64(len(files)) * tarSize(size) / int64(len(cut))
		if int64(len(files))*tarSize(size) > 4*usual.most && (mean < usual.least || mean > usual.target*3/2) {
			t.Errorf("files of %d bytes: %d shards of %d MiB on average", size, len(cut), mean>>20)
		}
	}
}

// A manifest stays small: of more data there are larger shards.
func TestShardsOfTerabytes(t *testing.T) {
	files := make([]Entry, 40_000)
	for i := range files {
		files[i] = Entry{Path: fmt.Sprintf("%07d", i), Size: 500 << 20}
	}
	if n := len(Shards(files)); n < manyShards/4 || n > 2*manyShards {
		t.Errorf("19 TB in %d shards", n)
	}
}
