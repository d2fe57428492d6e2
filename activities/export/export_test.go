package export_test

import (
	"archive/tar"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/parquet-go/parquet-go"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/curated/curatedtest"
	"github.com/cairn-bench/cairn/activities/export"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// restricted is the reason for a set that may not be passed on.
func restricted(s *curatedtest.Set) string {
	if s.Dataset.Access != "credentialed" {
		return ""
	}
	return "its access is credentialed"
}

// exportOf packs a set, exports it and returns the folder.
func exportOf(t *testing.T, s *curatedtest.Set, o export.Options) (string, exchange.Export) {
	t.Helper()
	d := opened(t, s)
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "out")
	}
	doc, err := export.Write(t.Context(), d, restricted(s), o)
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, o.Dir)
	return o.Dir, doc
}

func opened(t *testing.T, s *curatedtest.Set) *curated.Dataset {
	t.Helper()
	store := cas.NewMemory()
	d, err := curated.Open(t.Context(), store, s.Pack(t, store))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// tree reads a whole folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		name, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkSums: SHA256SUMS names every other file, once, with its digest.
func checkSums(t *testing.T, dir string) {
	t.Helper()
	files := tree(t, dir)
	sums := files[document.SumsFile]
	delete(files, document.SumsFile)
	for line := range strings.Lines(sums) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		text, ok := files[name]
		if !ok || sum != digest.FromString(text).Encoded() {
			t.Errorf("%s has %q, there %v", document.SumsFile, line, ok)
		}
		delete(files, name)
	}
	for name := range files {
		t.Errorf("%s is not in %s", name, document.SumsFile)
	}
}

// TestTwiceTheSame: any number of workers, any place, the same bytes.
func TestTwiceTheSame(t *testing.T) {
	for _, o := range []export.Options{{Format: exchange.Climb}, {Format: exchange.Dir}, {Format: exchange.Parquet}, {Format: exchange.WebDataset}, {Format: exchange.WebDataset, Labels: true}, {Format: exchange.Croissant}} {
		t.Run(o.Format, func(t *testing.T) {
			first, _ := exportOf(t, curatedtest.Everything(), o)
			o.Workers = 7
			second, _ := exportOf(t, curatedtest.Everything(), o)
			if diff := cmp.Diff(tree(t, first), tree(t, second)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestClimb reads back all that CLIMB's format has.
func TestClimb(t *testing.T) {
	s := curatedtest.Everything()
	dir, doc := exportOf(t, s, export.Options{Format: exchange.Climb, Workers: 3})
	if diff := cmp.Diff(map[string]int{"train": 4, "validation": 4, "test": 4}, doc.Samples); diff != "" {
		t.Error(diff)
	}
	files := tree(t, dir)
	var got []exchange.Annotation
	for _, name := range []string{"annotation_train.jsonl", "annotation_valid.jsonl", "annotation_test.jsonl"} {
		for line := range strings.Lines(files[name]) {
			var a exchange.Annotation
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, a)
			checkAnnotation(t, s, files, a)
		}
	}
	if len(got) != len(s.Samples) {
		t.Errorf("%d annotations of %d samples", len(got), len(s.Samples))
	}
	const want = "<image>\nAbove is a medical image. Which class does it belong to? Answer with one phrase from the following:\nbenign\na/b: odd\nother"
	if c := got[0].Conversations; got[0].ID != "s00" || c[0] != (exchange.Turn{From: "human", Value: want}) || c[1] != (exchange.Turn{From: "gpt", Value: "benign"}) {
		t.Errorf("conversation of %s: %q", got[0].ID, c)
	}
	rows, err := csv.NewReader(strings.NewReader(files["all_splits.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{
		{"patient", "benign", "a/b: odd", "other", "split", "label"},
		{"signals/train/s03", "0", "1", "0", "train", "1"},
		{"signals/test/s11", "0", "1", "0", "test", "1"},
	}, rows); diff != "" {
		t.Error(diff)
	}
}

// checkAnnotation compares the files of an annotation with the arrays of its sample.
func checkAnnotation(t *testing.T, s *curatedtest.Set, files map[string]string, a exchange.Annotation) {
	t.Helper()
	i := slices.IndexFunc(s.Samples, func(x document.Sample) bool { return x.ID == a.ID })
	of := s.Samples[i]
	if strings.Join(a.Labels, "|") != strings.Join(of.Labels, "|") || a.Subject != of.Subject || a.Dataset != "all" || a.Explanation != "" {
		t.Errorf("annotation of %s: %+v", of.ID, a)
	}
	raw := func(k int) string { return string(s.Arrays[of.Media[k].Path]) }
	for k, name := range a.Images {
		checkPicture(t, files[name], raw(k), of.Media[k].Shape)
	}
	for _, name := range a.Signals {
		checkMatlab(t, files[name], raw(0), of.Media[0].Shape)
		if want := of.ID + " 0 250 500\n"; files[strings.TrimSuffix(name, "mat")+"hea"] != want {
			t.Errorf("header of %s: %q", name, files[strings.TrimSuffix(name, "mat")+"hea"])
		}
	}
	for k, name := range a.Files {
		if files[name] != raw(k) {
			t.Errorf("%s is not the array of %s", name, of.ID)
		}
	}
	for _, name := range a.Videos {
		frames := framesOf(t, files[name])
		if len(of.Media) > 1 { // slices
			for k, f := range frames {
				checkPicture(t, f, raw(k), of.Media[k].Shape)
			}
			continue
		}
		all, size := raw(0)[128:], len(raw(0)[128:])/of.Media[0].Shape[0]
		for k, f := range frames {
			checkPicture(t, f, strings.Repeat("x", 128)+all[k*size:(k+1)*size], of.Media[0].Shape[1:])
		}
	}
	if n := len(a.Images) + len(a.Videos) + len(a.Signals) + len(a.Files); n == 0 && of.Text == "" {
		t.Errorf("sample %s has no file", of.ID)
	}
}

// checkPicture compares a PNG with the array of a small .npy, whose header has 128 bytes.
func checkPicture(t *testing.T, text, array string, shape []int) {
	t.Helper()
	p, err := png.Decode(strings.NewReader(text))
	if err != nil {
		t.Error(err)
		return
	}
	if b := p.Bounds(); b.Dx() != shape[1] || b.Dy() != shape[0] {
		t.Errorf("picture of %v, array of %v", b, shape)
		return
	}
	channels := 1
	if len(shape) == 3 {
		channels = shape[2]
	}
	pix := array[128:]
	for i := range shape[0] * shape[1] {
		r, g, b, _ := p.At(i%shape[1], i/shape[1]).RGBA()
		for k, v := range []uint32{r, g, b} {
			if want := pix[i*channels+min(k, channels-1)]; byte(v>>8) != want {
				t.Fatalf("pixel %d, channel %d: %d, want %d", i, k, v>>8, want)
			}
		}
	}
}

// checkMatlab reads a MAT file of version 4.
func checkMatlab(t *testing.T, text, array string, shape []int) {
	t.Helper()
	b := []byte(text)
	var head [5]uint32
	if _, err := binary.Decode(b, binary.LittleEndian, &head); err != nil {
		t.Fatal(err)
	}
	if head != [5]uint32{10, uint32(shape[0]), uint32(shape[1]), 0, 4} || string(b[20:24]) != "val\x00" || len(b) != 24+4*shape[0]*shape[1] {
		t.Fatalf("MAT header %v %q, %d bytes", head, b[20:24], len(b))
	}
	for r := range shape[0] {
		for c := range shape[1] {
			got := binary.LittleEndian.Uint32(b[24+4*(c*shape[0]+r):])
			want := binary.LittleEndian.Uint32([]byte(array[128+4*(r*shape[1]+c):]))
			if got != want {
				t.Fatalf("[%d, %d]: %v, want %v", r, c, math.Float32frombits(got), math.Float32frombits(want))
			}
		}
	}
}

// framesOf reads an AVI by its index.
func framesOf(t *testing.T, text string) []string {
	t.Helper()
	le := func(at int) int { return int(binary.LittleEndian.Uint32([]byte(text[at:]))) }
	movi := strings.Index(text, "movi")
	if text[:4] != "RIFF" || le(4) != len(text)-8 || movi < 0 {
		t.Fatalf("no AVI, or RIFF says %d of %d bytes", le(4), len(text))
	}
	index := movi + le(movi-4)
	if text[index:index+4] != "idx1" || index+8+le(index+4) != len(text) {
		t.Fatalf("no index at %d", index)
	}
	var out []string
	for at := index + 8; at < len(text); at += 16 {
		from, n := movi+le(at+8), le(at+12)
		if text[from:from+4] != "00dc" || le(from+4) != n {
			t.Fatalf("index leads to %q", text[from:from+8])
		}
		out = append(out, text[from+8:from+8+n])
	}
	return out
}

// TestClimbWithoutLabels: a sample without a class stays, with an empty answer, and the export says so.
func TestClimbWithoutLabels(t *testing.T) {
	dir, doc := exportOf(t, curatedtest.Many(), export.Options{Format: exchange.Climb})
	if len(doc.Notes) != 1 || !strings.HasPrefix(doc.Notes[0], "2 samples have no positive class") {
		t.Errorf("notes: %q", doc.Notes)
	}
	if text := tree(t, dir)["annotation_valid.jsonl"]; !strings.Contains(text, `{"from":"gpt","value":"edema, effusion"}`) || !strings.Contains(text, "one or multiple phrases") {
		t.Error(text)
	}
}

// TestDir: one label is a folder, several are a table.
func TestDir(t *testing.T) {
	s := curatedtest.Everything()
	dir, _ := exportOf(t, s, export.Options{Format: exchange.Dir, Workers: 2})
	files := tree(t, dir)
	for _, name := range []string{
		"train/benign/s00.png", "validation/a~2fb~3a odd/s01.png", "test/benign/s02.0003.png", "train/a~2fb~3a odd/s03.npy", "validation/benign/s04.npy",
		"validation/benign/s04.edges.npy", "train/benign/s06.txt", "validation/a~2fb~3a odd/s07.avi",
	} {
		if _, ok := files[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	checkPicture(t, files["train/benign/s00.png"], string(s.Arrays["train/s00.npy"]), []int{24, 32})
	if files["train/benign/s06.txt"] != s.Samples[6].Text || files["validation/benign/s04.edges.npy"] != string(s.Arrays["validation/s04.edges.npy"]) {
		t.Error("a text or an array is another one")
	}

	dir, _ = exportOf(t, curatedtest.Many(), export.Options{Format: exchange.Dir})
	files = tree(t, dir)
	rows, err := csv.NewReader(strings.NewReader(files["validation/labels.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{
		{"id", "files", "subject", "labels", "edema", "effusion", "no, finding"},
		{"x-1", "x-1.png", "of-x-1", "edema", "1", "0", "0"},
		{"x-3", "x-3.png", "of-x-3", "edema|effusion", "1", "1", "0"},
		{"x-5", "x-5.png", "of-x-5", "edema|no, finding", "1", "0", "1"},
		{"x-7", "x-7.png", "of-x-7", "edema|effusion|no, finding", "1", "1", "1"},
	}, rows); diff != "" {
		t.Error(diff)
	}
	if _, ok := files["train/x-0.png"]; !ok {
		t.Error("no train/x-0.png")
	}
}

type source struct {
	Path   string `parquet:"path"`
	Digest string `parquet:"digest"`
}

type media struct {
	Path  string  `parquet:"path"`
	Type  string  `parquet:"type"`
	DType string  `parquet:"dtype"`
	Shape []int64 `parquet:"shape,list"`
	Rate  float64 `parquet:"sampling_rate"`
}

type row struct {
	ID      string            `parquet:"id"`
	Dataset string            `parquet:"dataset"`
	Split   string            `parquet:"split"`
	Subject string            `parquet:"subject"`
	Labels  []string          `parquet:"labels,list"`
	Edema   bool              `parquet:"class:edema"`
	Benign  bool              `parquet:"class:benign"`
	Media   []media           `parquet:"media,list"`
	Text    string            `parquet:"text"`
	Meta    map[string]string `parquet:"meta"`
	Sources []source          `parquet:"sources,list"`
}

// TestParquet: every sample is a row, and every member of it a cell.
func TestParquet(t *testing.T) {
	for _, s := range []*curatedtest.Set{curatedtest.Everything(), curatedtest.Many()} {
		dir, _ := exportOf(t, s, export.Options{Format: exchange.Parquet})
		rows, err := parquet.ReadFile[row](filepath.Join(dir, exchange.TableFile))
		if err != nil {
			t.Fatal(err)
		}
		var want []row
		for _, x := range s.Samples {
			w := row{ID: x.ID, Dataset: x.Dataset, Split: x.Split, Subject: x.Subject, Labels: x.Labels, Text: x.Text, Meta: x.Meta,
				Edema: slices.Contains(x.Labels, "edema"), Benign: slices.Contains(x.Labels, "benign"), Media: []media{},
				Sources: []source{{x.Sources[0].Path, x.Sources[0].Digest.String()}}}
			for _, m := range x.Media {
				one := media{Path: m.Path, Type: m.Type, DType: m.DType, Rate: m.SamplingRate}
				for _, d := range m.Shape {
					one.Shape = append(one.Shape, int64(d))
				}
				w.Media = append(w.Media, one)
			}
			want = append(want, w)
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Error(diff)
		}
	}
}

// entries reads a tar.
func entries(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	r := tar.NewReader(strings.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(b)
	}
}

// TestShards: a shard of one side is the blob of the artifact; one of several sides is cut.
func TestShards(t *testing.T) {
	s := curatedtest.Everything()
	dir, doc := exportOf(t, s, export.Options{Format: exchange.WebDataset})
	files := tree(t, dir)
	got := map[string]string{}
	for _, name := range []string{"train-000000.tar", "validation-000000.tar", "test-000000.tar"} {
		for path, text := range entries(t, files[name]) {
			if !strings.HasPrefix(path, name[:strings.Index(name, "-")]+"/") {
				t.Errorf("%s has %s", name, path)
			}
			got[path] = text
		}
	}
	want := map[string]string{}
	for path, data := range s.Arrays {
		want[path] = string(data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if doc.Samples["train"] != 4 || strings.Count(files["samples.jsonl"], "\n") != 12 {
		t.Errorf("samples: %v", doc.Samples)
	}

	one := curatedtest.New("one", "image", document.Multiclass, "a")
	for _, id := range []string{"x", "y"} {
		one.Bytes(one.Add(id, "train", "a"), "npy", "image", 1, 4, 4)
	}
	d := opened(t, one)
	out := filepath.Join(t.TempDir(), "out")
	if _, err := export.Write(t.Context(), d, "", export.Options{Format: exchange.WebDataset, Dir: out}); err != nil {
		t.Fatal(err)
	}
	if text := tree(t, out)["train-000000.tar"]; digest.FromString(text) != d.Manifest.Layers[1].Digest {
		t.Error("a shard of one side is another than the artifact's")
	}
}

// TestLabelled: the labels are in the shards, beside the media.
func TestLabelled(t *testing.T) {
	s := curatedtest.Everything()
	dir, _ := exportOf(t, s, export.Options{Format: exchange.WebDataset, Labels: true, Workers: 2})
	got := entries(t, tree(t, dir)["train-000000.tar"])
	if got["train/s03.cls"] != "1" || got["train/s00.cls"] != "0" || got["train/s06.txt"] != s.Samples[6].Text || got["train/s00.npy"] != string(s.Arrays["train/s00.npy"]) {
		t.Errorf("classes %q and %q", got["train/s03.cls"], got["train/s00.cls"])
	}
	var back document.Sample
	if err := json.Unmarshal([]byte(got["train/s03.json"]), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Samples[3], back); diff != "" {
		t.Error(diff)
	}
}
