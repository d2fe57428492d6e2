package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// confidence is that of what a sample says.
const confidence = 0.95

// Draw says how many files are looked at, and which: the same Draw takes the same files.
type Draw struct {
	Files   int     // that many, or all if there are fewer
	Percent float64 // of all files, if Files is 0
	Seed    string  // whoever could have known it before may have spared the files that it takes
}

// Sample says what is known of all files of the datasets after some were read. If none of the drawn is bad, then with
// the given confidence at most AtMostBad of all are.
type Sample struct {
	Files      int     `json:"files"`
	Of         uint64  `json:"of"`
	Bytes      int64   `json:"bytes"`
	Seed       string  `json:"seed"`
	Bad        int     `json:"bad"` // of the drawn: altered or not there
	Confidence float64 `json:"confidence"`
	AtMostBad  *uint64 `json:"at_most_bad"` // null if a drawn one is bad
}

// ReadSample draws files of datasets at random, reads each at its place, and compares its digest and the hashes that
// lead to the root of its dataset. What it finds goes into a verdict, whose level stays what it is.
func ReadSample(ctx context.Context, verdict *Verdict, s Store, artifacts []digest.Digest, d Draw) error {
	v := newVerifier(ctx, verdict.Subject, s, Records)
	sets := v.datasets(artifacts)
	defer func() {
		for _, set := range sets {
			_ = set.Close() // only read
		}
	}()
	v.out.Sample = &Sample{Seed: d.Seed, Confidence: confidence}
	for _, set := range sets {
		v.out.Sample.Of += uint64(set.Len())
	}
	v.drawn(sets, d.take(v.out.Sample.Of))
	verdict.Sample = v.out.Sample
	verdict.Checked.Hashes += v.out.Checked.Hashes
	verdict.Problems = append(verdict.Problems, v.out.Problems...)
	verdict.OK = verdict.OK && len(v.out.Problems) == 0 && ctx.Err() == nil
	return ctx.Err()
}

// dataset is an open one.
type dataset struct {
	*artifact.Reader
	digest digest.Digest
	before uint64 // files of the datasets before it
}

func (v *verifier) datasets(artifacts []digest.Digest) []dataset {
	var sets []dataset
	var n uint64
	seen := map[digest.Digest]bool{}
	for _, d := range artifacts {
		text, ok := v.read(d, "manifest")
		if !ok || seen[d] {
			continue
		}
		seen[d] = true
		m, err := artifact.ParseManifest(text)
		if err != nil || !artifact.IsDataset(m) {
			continue // whose manifest is wrong, level records says
		}
		r, err := artifact.NewReader(v.ctx, v.store, m)
		if err != nil {
			v.unproven(d, "layer 0", m.Layers[0].Digest, err)
			continue
		}
		sets = append(sets, dataset{r, d, n})
		n += uint64(r.Len())
	}
	return sets
}

// unproven tells a dataset that contradicts itself from one that cannot be read.
func (v *verifier) unproven(artifactDigest digest.Digest, path string, blob digest.Digest, err error) {
	if damaged := (*artifact.DamagedError)(nil); errors.As(err, &damaged) {
		v.problem(Problem{Code: FilesDiffer, Path: path, Digest: artifactDigest, Got: err.Error()})
		return
	}
	v.unopened(blob, path, err)
}

// take returns the numbers of the drawn files out of n, in order (R. Floyd's algorithm F2: every choice is as
// likely as any other).
func (d Draw) take(n uint64) []uint64 {
	want := min(uint64(max(d.Files, 0)), n)
	if d.Files == 0 {
		want = min(uint64(math.Ceil(float64(n)*d.Percent/100)), n)
	}
	rng := rand.New(rand.NewChaCha8(sha256.Sum256([]byte("cairn/sample/v1\n" + d.Seed))))
	taken := make(map[uint64]bool, want)
	out := make([]uint64, 0, want)
	for j := n - want; j < n; j++ {
		i := rng.Uint64N(j + 1)
		if taken[i] {
			i = j
		}
		taken[i] = true
		out = append(out, i)
	}
	slices.Sort(out)
	return out
}

// look is what became of one drawn file.
type look struct {
	place  artifact.Place
	proven error
	finding
	hashes int
}

// drawn reads the files and judges them in their order.
func (v *verifier) drawn(sets []dataset, files []uint64) {
	looks := make([]look, len(files))
	setOf := func(i int) dataset {
		return sets[sort.Search(len(sets), func(s int) bool { return sets[s].before > files[i] })-1]
	}
	parallel(v.ctx, len(files), func(i int, buf []byte) {
		set := setOf(i)
		looks[i] = v.look(set.Reader, int(files[i]-set.before), buf)
	})
	if v.ctx.Err() != nil {
		return
	}
	s := v.out.Sample
	s.Files = len(files)
	for i, l := range looks {
		s.Bytes += l.size
		v.out.Checked.Hashes += l.hashes
		if !v.judgeLook(setOf(i), l) {
			s.Bad++
		}
	}
	if len(v.out.Problems) == 0 {
		bad := atMostBad(s.Of, uint64(s.Files), s.Confidence)
		s.AtMostBad = &bad
	}
}

// look proves a file and reads it at its place.
func (v *verifier) look(r *artifact.Reader, i int, buf []byte) (l look) {
	var hashes []artifact.Sum
	if l.place, hashes, l.proven = r.Prove(i); l.proven != nil {
		return l
	}
	l.hashes = len(hashes)
	blob, err := v.store.OpenAt(v.ctx, l.place.Blob)
	if err != nil {
		l.opened = err
		return l
	}
	defer func() { _ = blob.Close() }() // only read
	h := &hasher{ctx: v.ctx, Hash: sha256.New()}
	_, l.read = io.CopyBuffer(h, io.NewSectionReader(blob, l.place.Offset, l.place.Size), buf)
	l.digest, l.size = digest.NewDigest(digest.SHA256, h), h.n
	return l
}

func (v *verifier) judgeLook(set dataset, l look) bool {
	p := l.place
	switch {
	case l.proven != nil:
		v.unproven(set.digest, "layer 0", set.Manifest.Layers[0].Digest, l.proven)
	case l.opened != nil:
		v.unopened(p.Blob, p.Path, l.opened)
	case l.read != nil && errors.Is(l.read, fs.ErrNotExist):
		v.unopened(p.Blob, p.Path, l.read)
	case l.read != nil || l.digest != p.Digest:
		got := l.digest.String()
		if l.read != nil {
			got = l.read.Error()
		}
		v.problem(Problem{Code: BlobAltered, Path: p.Path, Digest: p.Blob, Want: p.Digest.String(), Got: got})
	default:
		return true
	}
	return false
}

// atMostBad is the largest number b of bad files among n for which so many drawn ones are all right with a chance of
// 1-confidence or more. That chance is hypergeometric, C(n-b, drawn) / C(n, drawn), as no file is drawn twice; b is so
// the exact upper limit of which 3n/drawn, the rule of three, is the approximation for few bad files among many
// (Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249:1743, 1983).
func atMostBad(n, drawn uint64, confidence float64) uint64 {
	least := math.Log(1 - confidence)
	over := sort.Search(int(n-drawn), func(b int) bool { return logAllRight(n, drawn, uint64(b)+1) < least })
	return uint64(over)
}

// logAllRight is the logarithm of C(n-b, drawn) / C(n, drawn), of which drawn and b may change places.
func logAllRight(n, drawn, b uint64) float64 {
	few, many := min(drawn, b), max(drawn, b)
	var sum float64
	for i := range few {
		sum += math.Log1p(-float64(many) / float64(n-i))
	}
	return sum
}

// Text says what a sample shows in one sentence.
func (s Sample) Text() string {
	head := fmt.Sprintf("%d of %d files read at random (seed %s), %d of them bad", s.Files, s.Of, s.Seed, s.Bad)
	if s.AtMostBad == nil {
		return head
	}
	return fmt.Sprintf("%s; with %g %% confidence at most %d of all are bad", head, 100*s.Confidence, *s.AtMostBad)
}
