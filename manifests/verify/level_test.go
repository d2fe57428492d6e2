package verify_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/proof"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// A flipped byte is said to be of the file that it is in, at either level.
func TestFlippedBytesAreNamedByTheirFile(t *testing.T) {
	e := rebuild(t, bench(), nil)
	m := e.manifestOf(e.kinds["fetch/ecg"].Digest)
	for _, c := range []struct {
		layer     int
		old, want string
	}{
		{1, "one", "records/1.dat"},
		{1, "two", "records/2.dat"},
		{1, "records/2.dat", "records/2.dat"},
		{0, `{"id"`, "dataset.json"},
		{0, "SHA256SUMS", "layer 0"},
		{0, digest.FromString("two").Encoded(), "layer 0"},
		{0, "records/2.dat", "layer 0"},
		{1, "", "layer 1"}, // the last byte
	} {
		d := m.Layers[c.layer].Digest
		good := e.blobs[d]
		bad := bytes.Clone(good)
		if c.old == "" {
			bad[len(bad)-1] ^= 1
		} else {
			bad[bytes.Index(bad, []byte(c.old))] ^= 1
		}
		e.blobs[d] = bad
		for _, level := range []string{verify.Bytes, verify.Files} {
			v := e.check(e.text(), level)
			at := slices.IndexFunc(v.Problems, func(p verify.Problem) bool { return p.Step == "fetch/ecg" })
			if at < 0 || v.Problems[at].Path != c.want || v.Problems[at].Digest != d || v.Problems[at].Code != verify.BlobAltered || v.Level != "none" {
				t.Errorf("%q at level %s: level %s, %+v; want %s", c.old, level, v.Level, v.Problems, c.want)
			}
			if slices.ContainsFunc(v.Problems, func(p verify.Problem) bool { return p.Path == "" || p.Path == artifact.RootAnnotation }) {
				t.Errorf("%q at level %s: names what is no file: %+v", c.old, level, v.Problems)
			}
		}
		e.blobs[d] = good
	}
}

// An altered list names no file of an altered shard: it could name any.
func TestAnAlteredListNamesNoFile(t *testing.T) {
	e := rebuild(t, bench(), nil)
	m := e.manifestOf(e.kinds["fetch/ecg"].Digest)
	first, shard := m.Layers[0].Digest, m.Layers[1].Digest
	e.blobs[first] = bytes.Replace(e.blobs[first], []byte("  records/1.dat"), []byte("  records/1.dax"), 1)
	e.blobs[shard] = bytes.Replace(e.blobs[shard], []byte("two"), []byte("owt"), 1)
	for _, level := range []string{verify.Bytes, verify.Files} {
		for _, p := range e.check(e.text(), level).Problems {
			if p.Step == "fetch/ecg" && p.Digest == shard && p.Path != "layer 1" {
				t.Errorf("level %s: %+v", level, p)
			}
		}
	}
}

// Every blob is read once, also at the level that looks at files; only the first layers are looked at again.
func TestBlobsAreReadOnce(t *testing.T) {
	e := rebuild(t, bench(), nil)
	shards := map[digest.Digest]bool{}
	for _, step := range []string{"curate/ecg", "curate/xray"} { // the raw ones share their shard
		shards[e.manifestOf(e.kinds[step].Digest).Layers[1].Digest] = true
	}
	for _, level := range []string{verify.Bytes, verify.Files} {
		clear(e.opened)
		e.check(e.text(), level)
		for d, n := range e.opened {
			if level == verify.Bytes && n > 1 && int64(len(e.blobs[d])) > 2000 || shards[d] && n != 1 {
				t.Errorf("level %s opened %s of %d bytes %d times", level, d, len(e.blobs[d]), n)
			}
		}
	}
}

// An artifact alone.
func TestArtifactAlone(t *testing.T) {
	e := rebuild(t, bench(), nil)
	check := func(step, level string) verify.Verdict {
		v, err := verify.Artifact(t.Context(), step, e.kinds[step].Digest, e.store, level)
		if err != nil || v.Scope != verify.ArtifactScope || v.Checked.Records != 0 {
			t.Errorf("%s: %+v, %v", step, v, err)
		}
		return v
	}
	for _, step := range []string{"fetch/ecg", trained, evaluated} {
		for level, want := range map[string]string{verify.Records: verify.Manifest, verify.Bytes: verify.Bytes, verify.Files: verify.Files} {
			if v := check(step, level); !v.OK || v.Level != want {
				t.Errorf("%s: level %s, %+v; want %s", step, v.Level, v.Problems, want)
			}
		}
		layers := e.manifestOf(e.kinds[step].Digest).Layers
		d := layers[len(layers)-1].Digest
		good := e.blobs[d]
		delete(e.blobs, d)
		if v := check(step, verify.Bytes); v.OK || v.Level != verify.Manifest || codes(v) != verify.BlobMissing {
			t.Errorf("%s without a layer: level %s, %+v", step, v.Level, v.Problems)
		}
		e.blobs[d] = append(bytes.Clone(good), 1)
		if v := check(step, verify.Bytes); v.OK || v.Level != "none" || codes(v) != verify.BlobAltered {
			t.Errorf("%s with an altered layer: level %s, %+v", step, v.Level, v.Problems)
		}
		e.blobs[d] = good
	}
	v, err := verify.Artifact(t.Context(), "x", digest.FromString("x"), e.store, verify.Bytes)
	if err != nil || v.OK || v.Level != "none" || codes(v) != verify.BlobMissing {
		t.Errorf("an artifact that is not there: %+v, %v", v, err)
	}
}

// remembering is a store that remembers.
type remembering struct {
	*store
	since map[digest.Digest]time.Time
	right map[digest.Digest]bool
}

func (r *remembering) Unchanged(d digest.Digest) time.Time { return r.since[d] }
func (r *remembering) Right(d digest.Digest)               { r.right[d] = true }

// What is unchanged is not read, is counted as such, and lowers the level.
func TestUnchanged(t *testing.T) {
	e := rebuild(t, bench(), nil)
	r := &remembering{e.store, map[digest.Digest]time.Time{}, map[digest.Digest]bool{}}
	check := func(level string) verify.Verdict {
		v, err := verify.Lock(t.Context(), "benchmark.lock", e.text(), r, policy(1), level)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := check(verify.Unchanged); !v.OK || v.Level != verify.Bytes || v.Checked.Skipped != nil || len(r.right) != v.Checked.Blobs {
		t.Fatalf("with nothing remembered: %+v, %d blobs right", v, len(r.right))
	}
	all := check(verify.Bytes).Checked
	shard := e.manifestOf(e.kinds["fetch/ecg"].Digest).Layers[1].Digest
	whole := e.blobs[shard]
	e.blobs[shard] = bytes.Replace(whole, []byte("one"), []byte("eno"), 1)
	if v := check(verify.Unchanged); v.OK || codes(v) != verify.BlobAltered {
		t.Errorf("what is not remembered is not read: %+v", v)
	}
	if v := e.check(e.text(), verify.Unchanged); v.OK || codes(v) != verify.BlobAltered {
		t.Errorf("a store without a memory: %+v", v)
	}
	e.blobs[shard] = whole
	config := e.manifestOf(e.kinds["curate/ecg"].Digest).Config.Digest
	r.since[shard], r.since[config] = time.Unix(2000, 0), time.Unix(1000, 0)
	clear(e.opened)
	clear(r.right)
	v := check(verify.Unchanged)
	s := v.Checked.Skipped
	if !v.OK || v.Level != verify.Unchanged || s == nil || s.Blobs != 2 || s.Since != time.Unix(1000, 0) || s.Bytes+v.Checked.Bytes != all.Bytes || s.Blobs+v.Checked.Blobs != all.Blobs {
		t.Errorf("%+v, skipped %+v; all are %+v", v, s, all)
	}
	if e.opened[shard]+e.opened[config] > 0 || r.right[shard] {
		t.Error("what is unchanged was read")
	}
	if v := check(verify.Bytes); v.Level != verify.Bytes || v.Checked.Skipped != nil || e.opened[shard] == 0 {
		t.Errorf("level bytes trusts what is remembered: %+v", v)
	}
	good := e.blobs[shard]
	e.blobs[shard] = good[1:] // what is unchanged in time may still be of another size than the manifest says
	if v := check(verify.Unchanged); v.OK || v.Level != "none" {
		t.Errorf("another size: %+v", v)
	}
	delete(e.blobs, shard)
	if v := check(verify.Unchanged); v.OK || v.Level != verify.Records || codes(v) != verify.BlobMissing {
		t.Errorf("gone: %+v", v)
	}
}

func (e *evidence) sample(d verify.Draw) verify.Verdict {
	e.t.Helper()
	v := e.check(e.text(), verify.Records)
	var all []digest.Digest
	for _, s := range e.lock.Steps {
		all = append(all, s.Artifact)
	}
	if err := verify.ReadSample(e.t.Context(), &v, e.store, all, d); err != nil {
		e.t.Fatal(err)
	}
	return v
}

// A sample says how many files it took of how many, and what follows; the level stays what it was.
func TestSample(t *testing.T) {
	e := rebuild(t, bench(), nil)
	const files = 14 // of two raw and two curated datasets
	for _, c := range []struct {
		draw verify.Draw
		want int
		bad  uint64
	}{
		{verify.Draw{Files: 1, Seed: "a"}, 1, 13},
		{verify.Draw{Files: 7, Seed: "a"}, 7, 3},
		{verify.Draw{Percent: 50, Seed: "a"}, 7, 3},
		{verify.Draw{Percent: 0.001, Seed: "a"}, 1, 13},
		{verify.Draw{Files: files, Seed: "a"}, files, 0},
		{verify.Draw{Files: 1000, Seed: "a"}, files, 0},
	} {
		v := e.sample(c.draw)
		s := v.Sample
		if !v.OK || v.Level != verify.Records || s.Files != c.want || s.Of != files || s.Seed != "a" || s.Bad != 0 || s.AtMostBad == nil || *s.AtMostBad != c.bad {
			t.Errorf("%+v: level %s, %+v, %+v", c.draw, v.Level, s, v.Problems)
		}
	}
	if text := e.sample(verify.Draw{Files: 7, Seed: "a"}).Sample.Text(); text != "7 of 14 files read at random (seed a), 0 of them bad; with 95 % confidence at most 3 of all are bad" {
		t.Error(text)
	}
}

// TestSampleOfWhatIsWrong: a sample makes nothing right, counts each artifact once, and says nothing of what it could not look at.
func TestSampleOfWhatIsWrong(t *testing.T) {
	e := rebuild(t, bench(), nil)
	raw := e.entry("fetch/ecg").Artifact
	read := func(was bool) verify.Verdict {
		v := verify.Verdict{OK: was}
		if err := verify.ReadSample(t.Context(), &v, e.store, []digest.Digest{raw, raw}, verify.Draw{Files: 14}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := read(true); !v.OK || v.Sample.Of != 3 || v.Sample.Files != 3 {
		t.Errorf("%+v, %+v", v, v.Sample)
	}
	if v := read(false); v.OK {
		t.Error("what was wrong before is right now")
	}
	done, stop := context.WithCancel(t.Context())
	stop()
	v := verify.Verdict{OK: true}
	if err := verify.ReadSample(done, &v, e.store, []digest.Digest{raw}, verify.Draw{Files: 14}); !errors.Is(err, context.Canceled) || v.OK || len(v.Problems) > 0 || v.Sample.Files > 0 || v.Sample.AtMostBad != nil {
		t.Errorf("interrupted: %+v, %v", v, err)
	}
	delete(e.blobs, e.manifestOf(raw).Layers[0].Digest)
	if v := read(true); v.OK || codes(v) != verify.BlobMissing || v.Sample.AtMostBad != nil {
		t.Errorf("without the list: %+v, %+v", v, v.Sample)
	}
	e = rebuild(t, bench(), reseal(func(_ *evidence, m *ocispec.Manifest) {
		if m.ArtifactType == "" {
			m.Annotations[artifact.RootAnnotation] = digest.FromString("one").String()
		}
	}))
	raw = e.entry("fetch/ecg").Artifact
	if v := read(true); v.OK || codes(v) != verify.FilesDiffer || v.Sample.Bad != 3 || v.Sample.AtMostBad != nil {
		t.Errorf("of another root: %+v, %+v", v, v.Sample)
	}
}

// TestFilesThatCannotBeRead: a list that was read once and cannot be read again is not passed over.
func TestFilesThatCannotBeRead(t *testing.T) {
	e := rebuild(t, bench(), nil)
	list := e.manifestOf(e.entry("fetch/ecg").Artifact).Layers[0].Digest
	e.open = func(d digest.Digest) error {
		if d == list && e.opened[d] > 1 {
			return errors.New("input/output error")
		}
		return nil
	}
	if v := e.check(e.text(), verify.Files); v.OK || v.Level == verify.Files || v.Problems[0].Step != "fetch/ecg" || v.Problems[0].Path != "layer 0" {
		t.Errorf("level %s: %+v", v.Level, v.Problems)
	}
}

// One bad file is found by exactly those samples that take it, and the same seed takes the same files.
func TestSampleFindsWhatItTakes(t *testing.T) {
	e := rebuild(t, bench(), nil)
	d := e.manifestOf(e.kinds["curate/ecg"].Digest).Layers[1].Digest
	e.blobs[d] = bytes.Replace(e.blobs[d], []byte("curate/ecg"), []byte("curate/ecG"), 1)
	found := 0
	for i := range 60 {
		draw := verify.Draw{Files: 7, Seed: string(rune('a' + i))}
		v := e.sample(draw)
		if again := e.sample(draw); again.OK != v.OK || again.Sample.Bytes != v.Sample.Bytes {
			t.Errorf("seed %q takes other files the second time", draw.Seed)
		}
		if v.OK != (v.Sample.Bad == 0) || v.OK != (v.Sample.AtMostBad != nil) {
			t.Errorf("%+v", v)
		}
		if !v.OK {
			found++
			if p := v.Problems[0]; p.Path != "data/1.npy" || p.Digest != d || p.Code != verify.BlobAltered {
				t.Errorf("%+v", p)
			}
		}
	}
	for i := range 5 { // no file is taken twice, so all are taken
		if v := e.sample(verify.Draw{Files: 14, Seed: string(rune('a' + i))}); v.Sample.Bad != 1 {
			t.Errorf("a sample of all files found %d bad ones", v.Sample.Bad)
		}
	}
	if found < 12 || found > 48 { // one in two is expected
		t.Errorf("%d of 60 samples of one half found the bad file", found)
	}
	delete(e.blobs, d)
	if v := e.sample(verify.Draw{Files: 14}); v.OK || codes(v) != verify.BlobMissing || v.Sample.AtMostBad != nil {
		t.Errorf("without the shard: %+v", v)
	}
	first := e.manifestOf(e.kinds["fetch/ecg"].Digest).Layers[0].Digest
	e.blobs[first] = bytes.Replace(e.blobs[first], []byte("  records/1.dat"), []byte("  records/1.dax"), 1)
	if v := e.sample(verify.Draw{Files: 14}); v.OK || !strings.Contains(codes(v), verify.FilesDiffer) || v.Sample.AtMostBad != nil {
		t.Errorf("an altered list: %+v", v)
	}
}

// The limit is that of the definition: b is the largest number for which C(n-b, k) / C(n, k) is 5 % or more.
func TestAtMostBad(t *testing.T) {
	for _, n := range []int64{1, 2, 10, 59, 100, 300} {
		for k := int64(1); k <= n; k += 1 + n/17 {
			want := uint64(0)
			for b := int64(0); b <= n-k; b++ {
				all := new(big.Int).Mul(new(big.Int).Binomial(n-b, k), big.NewInt(20))
				if all.Cmp(new(big.Int).Binomial(n, k)) >= 0 {
					want = uint64(b)
				}
			}
			if got := verify.AtMostBad(uint64(n), uint64(k)); got != want {
				t.Errorf("%d of %d: at most %d, want %d", k, n, got, want)
			}
		}
	}
	// The rule of three, from which far more files differ little.
	if got, want := float64(verify.AtMostBad(4_510_000, 3000)), 3.0*4_510_000/3000; math.Abs(got/want-1) > 0.005 {
		t.Errorf("at most %g, the rule of three says %g", got, want)
	}
}

func TestProofVerdicts(t *testing.T) {
	e := rebuild(t, bench(), nil)
	good, err := proof.New(t.Context(), e.store, e.blobs[e.kinds["fetch/ecg"].Digest], "records/1.dat")
	if err != nil {
		t.Fatal(err)
	}
	false1 := good
	false1.Index++
	other := *e.lock
	other.Steps = other.Steps[:1]
	if other.Steps[0].Name == "fetch/ecg" {
		other.Steps = e.lock.Steps[1:2]
	}
	for name, c := range map[string]struct {
		p     proof.Proof
		file  string // "-" is none
		lock  int    // 1: of the rebuild, 2: another
		level string
		code  string
	}{
		"no file":             {good, "-", 0, verify.Membership, ""},
		"the file":            {good, "one", 0, verify.OneFile, ""},
		"the file and lock":   {good, "one", 1, verify.OneFile, ""},
		"no file but a lock":  {good, "-", 1, verify.Membership, ""},
		"another file":        {good, "two", 0, "none", verify.FilesDiffer},
		"a file too long":     {good, "onee", 0, "none", verify.FilesDiffer},
		"a file too short":    {good, "on", 0, "none", verify.FilesDiffer},
		"an empty file":       {good, "", 0, "none", verify.FilesDiffer},
		"another lock":        {good, "one", 2, "none", verify.ProofDiffers},
		"a false proof":       {false1, "one", 1, "none", verify.ProofDiffers},
		"false, without file": {false1, "-", 0, "none", verify.ProofDiffers},
	} {
		var file io.Reader
		if c.file != "-" {
			file = strings.NewReader(c.file)
		}
		v, err := verify.Proof(t.Context(), "proof", c.p, file, []*lock.Lock{nil, e.lock, &other}[c.lock])
		if err != nil || v.Level != c.level || v.OK != (c.code == "") || codes(v) != c.code || v.Scope != verify.ProofScope {
			t.Errorf("%s: level %s, %+v, %v", name, v.Level, v.Problems, err)
		}
		if want := map[bool]string{true: "fetch/ecg"}[c.lock == 1]; v.Proof.Step != want || v.Proof.Artifact != c.p.Artifact {
			t.Errorf("%s: %+v, want step %q", name, v.Proof, want)
		}
	}
}
