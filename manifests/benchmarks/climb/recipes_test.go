package climb_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	promise "github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// The two variants of a recipe.
const (
	sound       = "benchmark.yaml"
	asPublished = "as-published.yaml"
)

// recipe is a raw tree as a publisher's documentation lays it out, in small, and what has to come of it.
type recipe struct {
	id   string
	raw  func(t *testing.T) plugintest.Files
	want map[string]want // by variant
}

// want is what comes of a tree. Sides are those of a sample each, by the end of its path, where the recipe says them; of a drawn split
// only how many samples each side has.
type want struct {
	done     int
	labels   map[string]int    // samples by class, on all sides
	sides    map[string]string // path: side
	count    string            // train/validation/test, "" if drawn by seed
	subjects int               // distinct ones
	left     map[string]int    // samples that are left out, by code
	flaws    int
	more     func(t *testing.T, samples map[string]document.Sample)
}

var set = sync.OnceValues(all.Plugins)

// caseOf is a variant's recipe on a tree.
func caseOf(t *testing.T, variant, id string, raw plugintest.Files) plugintest.Case {
	t.Helper()
	d, ok := parsed(t, variant).Datasets[id]
	if !ok || d.Curate.Plugin == "" {
		t.Fatalf("%s has no recipe for %s", variant, id)
	}
	known, err := set()
	if err != nil {
		t.Fatal(err)
	}
	p, params := own(t, known, d.Curate)
	return plugintest.Case{
		Plugin: p, Params: params, Seed: d.Curate.Seed, Inputs: inputs(raw, d.Curate.With),
		Dataset: &action.Dataset{ID: id, Modality: d.Modality, Licence: d.Licence, Access: d.Access},
	}
}

// own is the plugin of a recipe. For one that asks for a program it is the plugin that reads the same way without, films that need no codec.
func own(t *testing.T, known plugins.Set, step manifests.Step) (plugins.Plugin, string) {
	t.Helper()
	name, params := step.Plugin, map[string]json.RawMessage{}
	if err := json.Unmarshal(step.Params, &params); err != nil {
		t.Fatal(err)
	}
	if name == "ffmpeg" {
		name = "video"
		delete(params, "version")
	}
	p, err := known.Find(promise.Curate, name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	return p, string(text)
}

// opened reads what a recipe made: its samples by their first files, and its documents.
func opened(t *testing.T, out plugintest.Files) (map[string]document.Sample, document.Curation, document.Dataset) {
	t.Helper()
	set, err := plugins.OpenCurated(out)
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]document.Sample{}
	for _, s := range set.Samples {
		name := s.Sources[0].Path
		if _, several := samples[name]; several { // rows of one file
			name += "#" + s.ID
		}
		samples[name] = s
	}
	var c document.Curation
	if err := json.Unmarshal(out[document.CurationFile], &c); err != nil {
		t.Fatal(err)
	}
	return samples, c, set.Info
}

// curated runs a variant's recipe.
func curated(t *testing.T, variant, id string, raw plugintest.Files) (map[string]document.Sample, document.Curation, document.Dataset) {
	t.Helper()
	return opened(t, caseOf(t, variant, id, raw).Deterministic(t))
}

// inputs takes what other datasets fetch out of a tree: the folders of their names.
func inputs(raw plugintest.Files, with []string) map[string]plugintest.Files {
	out := map[string]plugintest.Files{"raw": {}}
	for name, b := range raw {
		folder, rest, _ := strings.Cut(name, "/")
		if !slices.Contains(with, folder) {
			folder, rest = "raw", name
		}
		if out[folder] == nil {
			out[folder] = plugintest.Files{}
		}
		out[folder][rest] = b
	}
	return out
}

var manifestsRead sync.Map

func parsed(t *testing.T, file string) *manifests.Benchmark {
	t.Helper()
	if b, ok := manifestsRead.Load(file); ok {
		return b.(*manifests.Benchmark)
	}
	b := manifest(t, file)
	manifestsRead.Store(file, b)
	return b
}

func TestRecipes(t *testing.T) {
	for _, r := range recipes() {
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			raw := r.raw(t)
			for variant, w := range r.want {
				t.Run(strings.TrimSuffix(variant, ".yaml"), func(t *testing.T) { w.check(t, variant, r.id, raw) })
			}
		})
	}
}

func (w want) check(t *testing.T, variant, id string, raw plugintest.Files) {
	samples, report, info := curated(t, variant, id, raw)
	if report.Done != w.done || report.Expected != report.Done+len(report.Excluded)+len(report.Failed) || len(report.Failed) > 0 {
		t.Errorf("%d of %d done, want %d; left out %v, failed %v", report.Done, report.Expected, w.done, report.Excluded, report.Failed)
	}
	labels, subjects := map[string]int{}, map[string]map[string]bool{}
	for _, s := range samples {
		for _, l := range s.Labels {
			labels[l]++
		}
		if subjects[s.Subject] == nil {
			subjects[s.Subject] = map[string]bool{}
		}
		subjects[s.Subject][s.Split] = true
	}
	if diff := cmp.Diff(w.labels, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if len(subjects) != w.subjects {
		t.Errorf("%d subjects, want %d: %v", len(subjects), w.subjects, slices.Sorted(maps.Keys(subjects)))
	}
	for who, on := range subjects {
		if variant == sound && len(on) > 1 {
			t.Errorf("%s is on %d sides", who, len(on))
		}
	}
	w.checkSides(t, samples, info)
	left := map[string]int{}
	for _, o := range report.Excluded {
		left[o.Code]++
	}
	if diff := cmp.Diff(w.left, left); diff != "" && len(w.left)+len(left) > 0 {
		t.Errorf("left out (-want +got):\n%s\n%v", diff, report.Excluded)
	}
	flaws := 0
	for _, o := range report.Warnings {
		if o.Code == "flaw" && o.Sample == "" {
			flaws++
		}
	}
	if flaws != w.flaws {
		t.Errorf("%d flaws, want %d", flaws, w.flaws)
	}
	if w.more != nil {
		w.more(t, samples)
	}
}

func (w want) checkSides(t *testing.T, samples map[string]document.Sample, info document.Dataset) {
	if got := fmt.Sprintf("%d/%d/%d", info.Samples["train"], info.Samples["validation"], info.Samples["test"]); w.count != "" && got != w.count {
		t.Errorf("train/validation/test is %s, want %s", got, w.count)
	}
	for name, side := range w.sides {
		found := ""
		for p, s := range samples {
			if strings.HasSuffix(p, name) {
				found = s.Split
			}
		}
		if found != side {
			t.Errorf("%s is on side %q, want %q", name, found, side)
		}
	}
}

// film is a recipe over films: its samples are named and given sides here, and none is decoded, which asks for a program.
type film struct {
	id      string
	raw     plugintest.Files
	sound   plugins.Sides // of which only the sums count, as sides are drawn by seed
	claimed plugins.Sides // as published
}

func TestFilmRecipes(t *testing.T) {
	for _, f := range films() {
		for variant, want := range map[string]plugins.Sides{sound: f.sound, asPublished: f.claimed} {
			_, got := sides(t, variant, f.id, f.raw)
			if diff := cmp.Diff(want.LeftOut, got.LeftOut); diff != "" {
				t.Errorf("%s, %s: left out (-want +got):\n%s", f.id, variant, diff)
			}
			sum := func(m map[string]int) (n int) {
				for _, v := range m {
					n += v
				}
				return n
			}
			if variant == sound && (sum(got.Samples) != sum(want.Samples) || sum(got.Subjects) != sum(want.Subjects)) {
				t.Errorf("%s: %v samples of %v subjects, want %v of %v in all", f.id, got.Samples, got.Subjects, want.Samples, want.Subjects)
			}
			if diff := cmp.Diff(want, got); variant == asPublished && diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", f.id, variant, diff)
			}
		}
	}
}

// TestEveryRecipeIsTried: a recipe without a case here is one that nobody has seen work.
func TestEveryRecipeIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, r := range recipes() {
		for variant := range r.want {
			tried[variant+" "+r.id] = true
		}
	}
	for _, f := range films() {
		tried[sound+" "+f.id], tried[asPublished+" "+f.id] = true, true
	}
	for _, variant := range []string{sound, asPublished} {
		for id, d := range parsed(t, variant).Datasets {
			if should := slices.Contains([]string{"image", "volume", "ffmpeg", "video", "connectome", "ehr", "expression", "node", "text"}, d.Curate.Plugin); should && !tried[variant+" "+id] {
				t.Errorf("%s: %s has no case", variant, id)
			}
		}
	}
}

// TestAsPublishedIsTheSame: the second manifest differs from the first in its recipes only, and says what is wrong with each.
func TestAsPublishedIsTheSame(t *testing.T) {
	whole, published := parsed(t, sound), parsed(t, asPublished)
	for id, d := range published.Datasets {
		of, ok := whole.Datasets[id]
		if !ok {
			t.Errorf("%s is not in %s", id, sound)
			continue
		}
		if d.Curate.Plugin == "" && of.Curate.Plugin != "" || d.Curate.Plugin != "" && cmp.Equal(of.Curate, d.Curate) {
			t.Errorf("%s has one recipe in both, or none in one", id)
		}
		if d.Curate.Plugin != "" && !bytes.Contains(d.Curate.Params, []byte(`"flaws"`)) {
			t.Errorf("%s: nothing is said to be wrong with the published recipe", id)
		}
		of.Curate, d.Curate = manifests.Step{}, manifests.Step{}
		if diff := cmp.Diff(of, d); diff != "" {
			t.Errorf("%s (-%s +%s):\n%s", id, sound, asPublished, diff)
		}
	}
}

// noise is a picture that looks like no other.
func noise(n int) image.Image {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	m := image.NewGray(image.Rect(0, 0, 24, 16))
	for i := range m.Pix {
		m.Pix[i] = byte(random.Uint32())
	}
	return m
}

// pictures fills the places whose names end as pictures do, each with one of its own.
func pictures(t *testing.T, files plugintest.Files, names ...string) plugintest.Files {
	t.Helper()
	for i, name := range names {
		var b bytes.Buffer
		var err error
		switch path.Ext(name) {
		case ".png":
			err = png.Encode(&b, noise(i))
		default:
			err = jpeg.Encode(&b, noise(i), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b.Bytes()
	}
	return files
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// each makes n names.
func each(n int, name func(i int) string) []string {
	var out []string
	for i := range n {
		out = append(out, name(i))
	}
	return out
}

// lines joins rows of a table under its header.
func lines(header string, rows ...string) []byte {
	return []byte(header + "\n" + strings.Join(rows, "\n") + "\n")
}
