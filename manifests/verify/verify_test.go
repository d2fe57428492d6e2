package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

func TestAnHonestRebuildVerifies(t *testing.T) {
	e := rebuild(t, bench(), nil)
	for _, level := range []string{verify.Records, verify.Files, verify.Bytes} {
		clear(e.opened)
		v := e.check(e.text(), level)
		if !v.OK {
			t.Fatalf("level %s: %+v", level, v.Problems)
		}
		if (v.Checked.Files > 0) != (level == verify.Files) {
			t.Errorf("level %s: %d files were checked", level, v.Checked.Files)
		}
		var size int64
		for d := range e.opened {
			size += int64(len(e.blobs[d]))
		}
		if v.Checked.Records != 8 || v.Checked.Blobs != len(e.opened) || v.Checked.Bytes != size || v.Checked.Reruns != 0 {
			t.Errorf("level %s: %+v was checked, want 8 records, %d blobs, %d bytes", level, v.Checked, len(e.opened), size)
		}
	}
	if got := slices.Sorted(maps.Keys(e.opened)); !slices.Equal(got, e.digests()) {
		t.Errorf("level bytes read %d blobs of %d", len(got), len(e.blobs))
	}
}

// Level records reads what the chain is made of, and evaluations, and nothing of the data.
func TestRecordsReadNoData(t *testing.T) {
	e := rebuild(t, bench(), nil)
	data := e.data()
	for d := range data {
		delete(e.blobs, d)
	}
	if v := e.check(e.text(), verify.Records); !v.OK || v.Level != verify.Records {
		t.Errorf("without layers and configs: %+v", v)
	}
	for d := range data {
		if e.opened[d] > 0 {
			t.Errorf("level records opened %s", d)
		}
	}
}

// data are the blobs that level records never reads: configs and layers, but the metrics.
func (e *evidence) data() map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, made := range e.kinds {
		m := e.manifestOf(made.Digest)
		out[m.Config.Digest] = true
		for _, l := range m.Layers {
			out[l.Digest] = l.Annotations["org.opencontainers.image.title"] != "metrics.json"
		}
	}
	maps.DeleteFunc(out, func(_ digest.Digest, data bool) bool { return !data })
	return out
}

// spare are the blobs that level records can do without, because the records hold what is in them: actions, the
// manifests of artifacts, and the metrics.
func (e *evidence) spare() map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, s := range e.lock.Steps {
		out[s.Action], out[s.Artifact] = true, true
		for _, l := range e.manifestOf(s.Artifact).Layers {
			if l.Annotations["org.opencontainers.image.title"] == "metrics.json" {
				out[l.Digest] = true
			}
		}
	}
	return out
}

// Whatever happens to any blob is found, with the right code, level, and place.
func TestEveryBlobCounts(t *testing.T) {
	flip := func(text []byte, i int) []byte {
		out := slices.Clone(text)
		out[i] ^= 1
		return out
	}
	one := bench()
	delete(one.Datasets, "xray")
	one.Models["single"] = manifests.Model{Plugin: "go", Datasets: []string{"ecg"}, Each: true, Seed: 7}
	for name, c := range map[string]struct {
		bench *manifests.Benchmark
		bad   func(good, other []byte) []byte // nil is an absence
	}{
		"one bit":    {bench(), func(good, _ []byte) []byte { return flip(good, len(good)/2) }},
		"gone":       {bench(), func(_, _ []byte) []byte { return nil }},
		"cut":        {one, func(good, _ []byte) []byte { return good[:len(good)-1] }},
		"longer":     {one, func(good, _ []byte) []byte { return append(slices.Clone(good), 0) }},
		"of another": {one, func(_, other []byte) []byte { return other }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := rebuild(t, c.bench, nil)
			data, spare, all := e.data(), e.spare(), e.digests()
			if len(all) < 28 || len(data) < 9 {
				t.Fatalf("%d blobs, %d of them data", len(all), len(data))
			}
			for i, d := range all {
				good := e.blobs[d]
				text := c.bad(good, e.blobs[all[(i+1)%len(all)]])
				if e.blobs[d] = text; text == nil {
					delete(e.blobs, d)
				}
				e.checkFound(d, text == nil, data[d], spare[d])
				e.blobs[d] = good
			}
			if v := e.check(e.text(), verify.Bytes); !v.OK {
				t.Errorf("with every blob back in place: %+v", v.Problems)
			}
		})
	}
}

// What a program may not read is not altered.
func TestForbiddenBlobs(t *testing.T) {
	e := rebuild(t, bench(), nil)
	d := e.manifestOf(e.kinds["fetch/ecg"].Digest).Layers[1].Digest
	e.open = func(o digest.Digest) error {
		if o == d {
			return &fs.PathError{Op: "open", Path: d.String(), Err: fs.ErrPermission}
		}
		return nil
	}
	e.checkFound(d, true, true, false)
	e.open = func(digest.Digest) error { return errors.New("the store found rot") }
	if v := e.check(e.text(), verify.Bytes); v.Problems[0].Code != verify.BlobAltered {
		t.Errorf("a store that refuses a blob for what it is: %+v", v.Problems[0])
	}
}

// checkFound fails unless what happened to a blob is found and named. Data are the blobs that level records
// never reads, spare those that it can do without.
func (e *evidence) checkFound(d digest.Digest, missing, data, spare bool) {
	e.t.Helper()
	v := e.check(e.text(), verify.Bytes)
	code, level := verify.BlobAltered, "none"
	if missing {
		code = verify.BlobMissing
	}
	if missing && (data || spare) {
		level = verify.Records
	}
	if v.OK || v.Level != level {
		e.t.Errorf("%s: OK %t, level %q; want %q", d, v.OK, v.Level, level)
	}
	named := false
	for _, p := range v.Problems {
		named = named || p.Code == code && p.Digest == d
		if p.Missing() != missing {
			e.t.Errorf("%s: %+v, missing %t", d, p, p.Missing())
		}
		if p.Path == "" || p.Digest == "" || p.Step == "" && p.Path != "plan" {
			e.t.Errorf("%s: %+v does not say where", d, p)
		}
	}
	if !named {
		e.t.Errorf("%s: %s does not name the blob", d, codes(v))
	}
	if !missing {
		return
	}
	records := e.check(e.text(), verify.Records)
	if records.OK != (data || spare) || (records.Level == verify.Records) != (data || spare) {
		e.t.Errorf("%s: level records: OK %t, level %q", d, records.OK, records.Level)
	}
	if (records.Unseen() > 0) != spare {
		e.t.Errorf("%s: level records has not seen %+v; was it there to be seen: %t", d, records.Steps, spare)
	}
}

// A blob of two artifacts is named at both.
func TestSharedBlobs(t *testing.T) {
	e := rebuild(t, bench(), nil)
	users := map[digest.Digest][]string{}
	for step, made := range e.kinds {
		for _, l := range e.manifestOf(made.Digest).Layers {
			users[l.Digest] = append(users[l.Digest], step)
		}
	}
	shared := 0
	for d, steps := range users {
		if len(steps) < 2 {
			continue
		}
		shared++
		slices.Sort(steps)
		good := e.blobs[d]
		for name, bad := range map[string][]byte{"altered": append([]byte("x"), good...), "gone": nil} {
			if e.blobs[d] = bad; bad == nil {
				delete(e.blobs, d)
			}
			var got []string
			for _, p := range e.check(e.text(), verify.Bytes).Problems {
				got = append(got, p.Step)
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, steps) { // one problem for each file in it
				t.Errorf("%s %s: named at %v, want %v", d, name, got, steps)
			}
		}
		e.blobs[d] = good
	}
	if shared != 2 {
		t.Errorf("%d blobs are shared, want a shard and a card", shared)
	}
}

// Two steps may give the same artifact.
func TestSharedArtifacts(t *testing.T) {
	var first *evidence
	e := rebuild(t, bench(), func(e *evidence, step string, made ocispec.Descriptor) ocispec.Descriptor {
		first = e
		if step == "fetch/xray" {
			return e.kinds["fetch/ecg"]
		}
		return made
	})
	if v := e.check(e.text(), verify.Bytes); !v.OK || first != e {
		t.Fatalf("%+v", v.Problems)
	}
	layer := e.manifestOf(e.kinds["fetch/ecg"].Digest).Layers[0].Digest
	e.blobs[layer] = append(e.blobs[layer], 0)
	if v := e.check(e.text(), verify.Bytes); len(v.Problems) != 2 || v.Problems[0].Step != "fetch/ecg" || v.Problems[1].Step != "fetch/xray" {
		t.Errorf("want a problem of each step: %+v", v.Problems)
	}
}

// What is missed when the chain is followed and again when the parts are read is said once.
func TestOneProblemIsSaidOnce(t *testing.T) {
	e := rebuild(t, bench(), nil)
	for _, l := range e.manifestOf(e.kinds[evaluated].Digest).Layers {
		delete(e.blobs, l.Digest)
	}
	if v := e.check(e.text(), verify.Bytes); len(v.Problems) != 2 || codes(v) != verify.BlobMissing || v.Level != verify.Records {
		t.Errorf("level %s, %+v; want one problem each of metrics and predictions", v.Level, v.Problems)
	}
}

// A record's own config is one of the blobs.
func TestConfigOfARecord(t *testing.T) {
	e := rebuild(t, bench(), nil)
	s := e.entry("fetch/ecg")
	m := e.manifestOf(e.records[s.Action])
	m.Config.Digest, m.Config.Size = e.put([]byte(`{"own":1}`)), 9
	e.records[s.Action] = e.keep(t, m).Digest
	if v := e.check(e.text(), verify.Bytes); !v.OK {
		t.Fatalf("%+v", v.Problems)
	}
	delete(e.blobs, m.Config.Digest)
	v := e.check(e.text(), verify.Bytes)
	if len(v.Problems) != 1 || v.Problems[0].Path != "record/config" || v.Problems[0].Step != "fetch/ecg" || v.Level != verify.Records {
		t.Errorf("level %s, %+v", v.Level, v.Problems)
	}
}

// A disk that fails in the middle of a blob has not given what the digest names.
func TestUnreadableBlobs(t *testing.T) {
	e := rebuild(t, bench(), nil)
	layer := e.manifestOf(e.kinds["fetch/ecg"].Digest).Layers[0].Digest
	for _, d := range []digest.Digest{e.lock.Plan, layer} {
		e.rotten = d
		v := e.check(e.text(), verify.Bytes)
		if len(v.Problems) != 1 || v.Problems[0].Code != verify.BlobAltered || v.Problems[0].Digest != d || v.Problems[0].Got != "input/output error" || v.Level != "none" {
			t.Errorf("%s: level %s, %+v", d, v.Level, v.Problems)
		}
	}
	e.rotten, e.late = layer, true
	if v := e.check(e.text(), verify.Bytes); v.OK || codes(v) != verify.BlobAltered {
		t.Errorf("an error behind the last byte: %+v", v.Problems)
	}
}

func TestRecordsThatAreNotThere(t *testing.T) {
	e := rebuild(t, bench(), nil)
	id := e.entry("curate/ecg").Action
	delete(e.records, id)
	v := e.check(e.text(), verify.Bytes)
	if len(v.Problems) != 1 || v.OK || v.Level != "none" {
		t.Fatalf("%+v", v)
	}
	if p := v.Problems[0]; p.Code != verify.RecordMissing || !p.Missing() || p.Step != "curate/ecg" || p.Path == "" || p.Digest != id {
		t.Errorf("%+v", p)
	}
}

// A store that gives a wrong name for a record cannot make the verifier open it.
func TestNamesAreCheckedBeforeTheyAreOpened(t *testing.T) {
	e := rebuild(t, bench(), nil)
	for _, name := range []digest.Digest{"../../secret", "sha256:../../secret", "md5:d41d8cd98f00b204e9800998ecf8427e", "x"} {
		e.records[e.entry("fetch/ecg").Action] = name
		v := e.check(e.text(), verify.Records)
		if codes(v) != verify.Malformed || v.Level != "none" || e.opened[name] > 0 {
			t.Errorf("%q: %+v, opened %d times", name, v.Problems, e.opened[name])
		}
	}
}

// Level is "rerun" only for who has done steps again, which needs plugins.
func TestLevels(t *testing.T) {
	e := rebuild(t, bench(), nil)
	v, err := verify.Lock(t.Context(), "benchmark.lock", e.text(), e.store, policy(1), verify.Rerun)
	if err != nil || !v.OK || v.Level != verify.Bytes || v.Steps[0].Level != verify.Bytes {
		t.Errorf("level %q, %v; want bytes, as nothing was done again: %+v", v.Level, err, v.Steps)
	}
}

func TestInterrupted(t *testing.T) {
	e := rebuild(t, bench(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	e.open = func(digest.Digest) error { cancel(); return ctx.Err() }
	if v, err := verify.Lock(ctx, "benchmark.lock", e.text(), e.store, policy(1), verify.Bytes); !errors.Is(err, context.Canceled) || v.OK {
		t.Errorf("verdict OK %t, %v; want canceled", v.OK, err)
	}
	e.open = nil
	done, stop := context.WithCancel(t.Context())
	stop()
	v, err := verify.Lock(done, "benchmark.lock", e.text(), e.store, policy(1), verify.Bytes)
	if !errors.Is(err, context.Canceled) || v.OK || len(v.Steps) != 8 {
		t.Errorf("%+v, %v; want canceled", v, err)
	}
	for _, s := range v.Steps {
		if s.Level != verify.None {
			t.Errorf("%+v, of which nothing was read to its end", s)
		}
	}
}

// Texts that are no locks at all.
func TestNoLock(t *testing.T) {
	e := rebuild(t, bench(), nil)
	for name, text := range map[string]string{"empty": "", "one line": "x", "nul": "\x00", "a long line": strings.Repeat("x", 1<<20), "many lines": strings.Repeat("\n", 1<<20)} {
		v := e.check([]byte(text), verify.Bytes)
		if v.OK || v.Signed.OK || v.Level != "none" || codes(v) != verify.LockEdited || v.Problems[0].Missing() || v.Problems[0].Path != "benchmark.lock" {
			t.Errorf("%s: %.300v", name, v)
		}
	}
	if len(e.opened) > 0 {
		t.Error("blobs were opened")
	}
}

// A plan that is not there is an absence, and proves nothing.
func TestPlanMissing(t *testing.T) {
	e := rebuild(t, bench(), nil)
	delete(e.blobs, e.lock.Plan)
	v := e.check(e.text(), verify.Records)
	if len(v.Problems) != 1 || v.Problems[0].Code != verify.BlobMissing || !v.Problems[0].Missing() || v.Problems[0].Path != "plan" || v.Level != "none" {
		t.Errorf("%+v", v)
	}
}

// seal puts the right digest under an edited text, as one who edits on purpose would.
func seal(text string) []byte {
	body, _, _ := strings.Cut(text, "digest: ")
	return []byte(body + "digest: " + digest.FromString(body).String() + "\n")
}

var (
	sums    = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	numbers = regexp.MustCompile(`(?:value|low|high): ([^,}]+)`)
	words   = regexp.MustCompile(`(?m)(?:benchmark|plugin|evaluation|model|dataset|metric): ([^,}\n]+)|^  ([^-][^:]*):`)
)

// places lists where the groups of an expression stand in a text.
func places(text string, r *regexp.Regexp) [][2]int {
	var out [][2]int
	for _, m := range r.FindAllStringSubmatchIndex(text, -1) {
		for i := len(m) - 2; i >= 0; i -= 2 {
			if m[i] >= 0 {
				out = append(out, [2]int{m[i], m[i+1]})
				break
			}
		}
	}
	return out
}

// Every number, digest and name of the lock, edited by hand and edited with the seal made to fit.
func TestEveryEditOfTheLockIsFound(t *testing.T) {
	t.Parallel()
	e := rebuild(t, bench(), nil)
	text := string(e.text())
	other := e.digests()
	edits := 0
	edit := func(at [2]int, to string) {
		if text[at[0]:at[1]] == to {
			return
		}
		edits++
		edited := text[:at[0]] + to + text[at[1]:]
		what := fmt.Sprintf("%q edited to %q at byte %d", text[at[0]:at[1]], to, at[0])
		isSeal := at[0] > strings.Index(text, "\ndigest: ")
		if edits%10 == 0 || isSeal { // package lock tests the others
			if v := e.check([]byte(edited), verify.Records); v.OK || !strings.Contains(codes(v), verify.LockEdited) || v.Level != "none" {
				t.Errorf("%s: %s, level %s", what, codes(v), v.Level)
			}
		}
		if isSeal {
			return
		}
		v := e.check(seal(edited), verify.Records)
		differs := slices.ContainsFunc(v.Problems, func(p verify.Problem) bool { return !p.Missing() })
		// Of a plan that nobody has, nobody can say that it is the wrong one.
		if absent := strings.HasSuffix(text[:at[0]], "\nplan: ") && e.blobs[digest.Digest(to)] == nil; v.OK || v.Level != "none" || !differs && !absent {
			t.Errorf("%s and sealed: OK %t, level %s, %s", what, v.OK, v.Level, codes(v))
		}
	}
	for _, at := range places(text, sums) {
		edit(at, digest.FromString("other").String())
		edit(at, other[at[0]%len(other)].String()) // a blob that is there
	}
	for _, at := range places(text, numbers) {
		for _, to := range []string{"0.5", "null"} {
			edit(at, to)
		}
	}
	for _, at := range places(text, words) {
		edit(at, text[at[0]:at[1]]+"x")
	}
	if edits < 80 {
		t.Errorf("only %d edits", edits)
	}
}

// Whole entries, taken away, added, or put in another order, with the seal made to fit.
func TestEntriesTakenAndAdded(t *testing.T) {
	t.Parallel()
	e := rebuild(t, bench(), nil)
	lines := strings.SplitAfter(string(e.text()), "\n")
	entries := 0
	for i, line := range lines {
		if !strings.HasPrefix(line, "  ") {
			continue
		}
		entries++
		for name, with := range map[string]string{
			"gone":          "",
			"twice":         line + line,
			"changed twice": line + strings.NewReplacer("auroc", "zzz", "accuracy", "zzz", "/ecg:", "/zzz:", "/xray:", "/zzz:").Replace(line),
		} {
			edited := slices.Clone(lines)
			edited[i] = with
			if v := e.check(seal(strings.Join(edited, "")), verify.Records); v.OK || v.Level != "none" {
				t.Errorf("%s %s: OK %t, level %s", strings.TrimSpace(line), name, v.OK, v.Level)
			}
		}
	}
	if entries != 12 {
		t.Errorf("%d entries, want 8 steps and 4 results", entries)
	}
	swapped := *e.lock
	swapped.Results = slices.Clone(e.lock.Results)
	swapped.Results[0], swapped.Results[1] = swapped.Results[1], swapped.Results[0]
	if v := e.check(swapped.Marshal(), verify.Records); v.OK || codes(v) != verify.ResultDiffers {
		t.Errorf("metrics in another order than the evaluation's: %+v", v)
	}
}

// A problem with a number says which step it comes from.
func TestEditedNumberIsLocated(t *testing.T) {
	e := rebuild(t, bench(), nil)
	half := 0.5
	e.lock.Results[0].Value = &half
	v := e.check(e.text(), verify.Records)
	if len(v.Problems) != 1 {
		t.Fatalf("%+v", v.Problems)
	}
	want := verify.Problem{Code: verify.ResultDiffers, Step: "evaluate/test/single/ecg", Path: "test/single/ecg/ecg/auroc",
		Digest: e.entry("evaluate/test/single/ecg").Artifact, Want: "0.24 [0.12, 0.48]", Got: "0.5 [0.12, 0.48]"}
	if v.Problems[0] != want {
		t.Errorf("%+v, want %+v", v.Problems[0], want)
	}
}

// TestUnreadNumbers: of an evaluation that nobody can read here nothing is known, and of the others all.
func TestUnreadNumbers(t *testing.T) {
	one := 1.0
	const unread = "evaluate/test/single/xray"
	for name, c := range map[string]struct {
		edit func(l *lock.Lock)
		want string
	}{
		"as it was": {func(*lock.Lock) {}, "blob-missing record-missing"},
		"one more": {func(l *lock.Lock) {
			more := l.Results[0]
			more.Metric, more.Value = "f1", &one
			l.Results = slices.Insert(l.Results, 2, more)
		}, "blob-missing record-missing result-differs"},
		"a null less": {func(l *lock.Lock) { l.Results = slices.Delete(l.Results, 1, 2) }, "blob-missing record-missing result-differs"},
	} {
		e := rebuild(t, bench(), nil)
		delete(e.records, e.entry(unread).Action)
		delete(e.blobs, e.entry(unread).Artifact)
		c.edit(e.lock)
		if v := e.check(e.text(), verify.Records); codes(v) != c.want {
			t.Errorf("%s: %+v, want %s", name, v.Problems, c.want)
		}
	}
}

// TestRecordWithoutNumbers: as records were before they had them. The numbers are then those of the evaluation, which has to be here.
func TestRecordWithoutNumbers(t *testing.T) {
	e := rebuild(t, bench(), nil)
	text, err := provenance.New(e.actionOf(evaluated), e.kinds[evaluated].Digest, provenance.Execution{Step: evaluated})
	if err != nil {
		t.Fatal(err)
	}
	e.records[e.entry(evaluated).Action] = e.manifest(e.kinds[evaluated], text)
	if v := e.check(e.text(), verify.Records); !v.OK {
		t.Errorf("%+v", v.Problems)
	}
	delete(e.blobs, e.entry(evaluated).Artifact)
	if v := e.check(e.text(), verify.Records); v.OK || codes(v) != verify.BlobMissing || v.Level != verify.None {
		t.Errorf("without the evaluation: %+v, level %s", v.Problems, v.Level)
	}
}

// Numbers that nothing gives.
func TestInventedResults(t *testing.T) {
	b := bench()
	b.Evaluations = nil
	e := rebuild(t, b, nil)
	one := 1.0
	e.lock.Results = []lock.Result{{Evaluation: "test", Model: "single/ecg", Dataset: "ecg", Metric: "auroc", Value: &one}}
	v := e.check(e.text(), verify.Bytes)
	if v.OK || codes(v) != verify.ResultDiffers || v.Level != "none" {
		t.Errorf("a result of a benchmark without evaluations: %+v", v)
	}
}
