package image_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	curate "github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var testSet = &action.Dataset{ID: "t", Modality: "image", Licence: "CC0-1.0", Access: "open"}

// picture is w x h with a colour that grows from left to right and top to bottom.
func picture(w, h int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), 100, 255})
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// turned puts an EXIF orientation into a JPEG.
func turned(b []byte, orientation byte) []byte {
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(orientation) + "\x00\x00\x00\x00\x00\x00"
	return []byte(string(b[:2]) + "\xff\xe1\x00" + string(byte(len(exif)+2)) + exif + string(b[2:]))
}

func tiny(t testing.TB) plugintest.Files {
	files := plugintest.Files{"notes.txt": []byte("not an image")}
	for i, side := range []string{"train", "train", "Testing"} {
		for j, label := range []string{"NORMAL", "SICK"} {
			files[fmt.Sprintf("%s/%s/person%d_%d (x).png", side, label, i+1, j)] = pngOf(t, picture(10+i, 20-3*j))
		}
	}
	files["train/SICK/person9_png.jpg"] = pngOf(t, picture(9, 9))
	files["train/SICK/person9_turned.jpg"] = turned(jpegOf(t, picture(16, 8)), 6)
	files["train/SICK/person9_text.jpg"] = []byte("<html>")
	files["train/SICK/person9_cut.png"] = files["train/SICK/person9_png.jpg"][:60]
	files["train/OTHER/person9_other.png"] = files["train/SICK/person9_png.jpg"]
	return files
}

const tinyParams = `{"size": 8, "channels": %d, "fit": %q, "sideFolder": 2, "restart": true, "pattern": "(?P<subject>person\\d+)_",
	"labels": {"classes": {"NORMAL": "normal", "SICK": "sick"}}, "split": {"rule": "publisher", "validation": 0}}`

// open gives the samples by their files.
func open(t testing.TB, files plugintest.Files) (map[string]document.Sample, document.Curation, document.Dataset) {
	t.Helper()
	byID, c, d := plugintest.Curated(t, files)
	samples := map[string]document.Sample{}
	for _, s := range byID {
		samples[s.Sources[0].Path] = s
	}
	return samples, c, d
}

func run(t testing.TB, params string, in plugintest.Files) plugintest.Files {
	t.Helper()
	return plugintest.Case{Plugin: curate.Plugin(), Params: params, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}.Deterministic(t)
}

func codes(list []document.Outcome) map[string]string {
	out := map[string]string{}
	for _, o := range list {
		out[o.Path] = o.Code
	}
	return out
}

func TestTiny(t *testing.T) {
	out := run(t, fmt.Sprintf(tinyParams, 3, "stretch"), tiny(t))
	samples, report, info := open(t, out)
	if diff := cmp.Diff(map[string]string{"train/SICK/person9_text.jpg": "not-an-image", "train/OTHER/person9_other.png": "unknown-label"}, codes(report.Excluded)); diff != "" {
		t.Error("excluded", diff)
	}
	if diff := cmp.Diff(map[string]string{"train/SICK/person9_cut.png": "decode"}, codes(report.Failed)); diff != "" {
		t.Error("failed", diff)
	}
	if diff := cmp.Diff(map[string]string{"train/SICK/person9_png.jpg": "misnamed"}, codes(report.Warnings)); diff != "" {
		t.Error("warnings", diff)
	}
	want := map[string]map[string]int{"train": {"normal": 2, "sick": 4}, "validation": {"normal": 0, "sick": 0}, "test": {"normal": 1, "sick": 1}}
	if diff := cmp.Diff(want, info.Counts); diff != "" {
		t.Error("counts", diff)
	}
	if s := samples["train/SICK/person2_1 (x).png"]; s.Subject != "train/person2" || s.Split != "train" {
		t.Errorf("subject %q on %q", s.Subject, s.Split)
	}
	// The stored picture gets redder to the right; turned by a quarter it gets redder to the bottom.
	a, err := npy.Decode(out[samples["train/SICK/person9_turned.jpg"].Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	if p := a.Uint8(); cmp.Diff([]int{8, 8, 3}, a.Shape) != "" || p[0] > 60 || p[7*3] > 60 || p[7*8*3] < 190 {
		t.Errorf("shape %v, red at the top left %d, top right %d, bottom left %d", a.Shape, p[0], p[7*3], p[7*8*3])
	}
}

// The digests change only together with the version of the plugin: they are of PNG inputs, whose pixels
// no decoder may choose.
func TestGolden(t *testing.T) {
	in := plugintest.Files{}
	for path, b := range tiny(t) {
		if strings.Contains(path, "(x).png") {
			in[path] = b
		}
	}
	for _, c := range []struct {
		channels int
		fit      string
		want     digest.Digest
	}{
		{1, raster.Stretch, "sha256:9d8d509d873131c3f35557711068d54952eae24751129d6de1e0e1a2b3b490bc"},
		{3, raster.Stretch, "sha256:7008e21a5f57c32c8d1e3f0ade03b3fc9b1c969b804639e1284445900098c505"},
		{3, raster.Pad, "sha256:aa371807ba102ace2ece427782617ebe8c494dc6356c4c02f7eeb4360fc66ee1"},
	} {
		out := run(t, fmt.Sprintf(tinyParams, c.channels, c.fit), in)
		samples, _, _ := open(t, out)
		got := digest.FromBytes(out[samples["train/NORMAL/person1_0 (x).png"].Media[0].Path])
		if got != c.want {
			t.Errorf("%d channels, %s: %s, want %s", c.channels, c.fit, got, c.want)
		}
	}
}

// The vectors of curate/jpeg, in colour with half the chroma and progressive, are decoded at half and at a quarter of their
// 67 x 45 pixels.
func TestGoldenJPEG(t *testing.T) {
	in := plugintest.Files{}
	for _, name := range []string{"colour-s2-q75", "progressive-s1"} {
		b, err := os.ReadFile("../jpeg/testdata/" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		in["x/"+name+".jpg"] = turned(b, 6)
	}
	for params, want := range map[string]digest.Digest{
		`{"size": 20, "channels": 3}`:               "sha256:22c4cb8d759c945028f462a5fcbe847119c66b67141ee723a50ac676cf7db042",
		`{"size": 11, "channels": 1, "fit": "pad"}`: "sha256:1737d41108cc72050aeb3710c9fed2ccc3b61dd23ff195e54fd1ad048df7bd82",
	} {
		out := run(t, params, in)
		samples, _, _ := open(t, out)
		var arrays []byte
		for _, name := range slices.Sorted(maps.Keys(in)) {
			arrays = append(arrays, out[samples[name].Media[0].Path]...)
		}
		if got := digest.FromBytes(arrays); got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
	}
}

func TestLabelTable(t *testing.T) {
	in := plugintest.Files{
		"a/one.png": pngOf(t, picture(4, 4)), "a/two.png": pngOf(t, picture(5, 4)), "a/three.png": pngOf(t, picture(4, 5)), "a/four.png": pngOf(t, picture(6, 5)),
		"labels.csv": []byte("\ufeffname, finding, patient\r\none.png,Mass|Edema,p1\r\ntwo,,p1\r\nimg\\three.png,Mass,p2\r\nthree.png,Edema,p2\r\n"),
	}
	samples, report, info := open(t, run(t, `{"labels": {"from": "csv", "table": "labels.csv", "id": "name", "columns": ["finding"], "separator": "|", "subject": "patient", "task": "multilabel"}}`, in))
	if diff := cmp.Diff([]string{"Edema", "Mass"}, samples["a/one.png"].Labels); diff != "" || samples["a/one.png"].Subject != "p1" {
		t.Error(diff, samples["a/one.png"].Subject)
	}
	if diff := cmp.Diff(map[string]string{"a/two.png": "no-label", "a/three.png": "ambiguous-label", "a/four.png": "no-label"}, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Edema", "Mass"}, info.Task.Classes); diff != "" {
		t.Error(diff)
	}
}

// A DICOM file is named in tables by its name or by an identifier; its patient is the subject where no other is named.
func TestDICOMTable(t *testing.T) {
	in := plugintest.Files{"labels.csv": []byte("image,finding\nct.dcm,ct\n1.2.3.20,dx\np22,dx\n")}
	for _, name := range []string{"ct.dcm", "values.dcm", "inverse.dcm", "exact.dcm"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		in["x/"+name] = b
	}
	in["x/broken.dcm"] = in["x/ct.dcm"][:500]
	samples, report, _ := open(t, run(t, `{"labels": {"from": "csv", "table": "labels.csv", "id": "image", "columns": ["finding"]}}`, in))
	got := map[string]string{}
	for path, s := range samples {
		got[path] = s.Subject + " " + strings.Join(s.Labels, ",")
	}
	if diff := cmp.Diff(map[string]string{"x/ct.dcm": "p25 ct", "x/values.dcm": "p20 dx", "x/inverse.dcm": "p22 dx"}, got); diff != "" {
		t.Error(diff, report.Excluded, report.Failed)
	}
	if diff := cmp.Diff(map[string]string{"x/exact.dcm": "no-label", "x/broken.dcm": "no-label"}, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
}

// The size in a header is refused before a pixel is decoded.
func TestBomb(t *testing.T) {
	bomb := pngOf(t, picture(1, 1))
	copy(bomb[16:], "\x00\x00\x4e\x20\x00\x00\x4e\x20") // 20,000 x 20,000
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	big := jpegOf(t, picture(8, 8))
	copy(big[bytes.Index(big, []byte("\xff\xc0"))+5:], "\xff\xff\xff\xff") // 65,535 x 65,535
	_, report, _ := open(t, run(t, "", plugintest.Files{"x/a.png": pngOf(t, picture(1, 1)), "x/b.png": bomb, "x/c.jpg": big}))
	if diff := cmp.Diff(map[string]string{"x/b.png": "too-large", "x/c.jpg": "too-large"}, codes(report.Excluded)); diff != "" {
		t.Fatal(diff)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{"size": 0}`:       "size: 0 is not between",
		`{"channels": 2}`:   "channels: 2, want 1 or 3",
		`{"fit": "crop"}`:   "fit: \"crop\"",
		`{"range": "auto"}`: "range: \"auto\"",
		`{"windows": [{"level": 1, "width": 0}]}`:                                                   "windows[0]: level 1, width 0",
		`{"windows": [{"level": 1, "width": 1},{"level": 1, "width": 1},{"level": 1, "width": 1}]}`: "three are for 3 channels",
		`{"files": "["}`:                            "files:",
		`{"pattern": "("}`:                          "pattern:",
		`{"pattern": "(?P<person>x)"}`:              "unknown group \"person\"",
		`{"labels": {"from": "name"}}`:              "needs a group",
		`{"labels": {"from": "csv"}}`:               "needs table, id and columns",
		`{"labels": {"from": "folder", "depth":0}}`: "labels.depth",
		`{"label": {}}`:                             "unknown field",
	} {
		if _, err := curate.Plugin().Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

// What image/png decodes to may change between Go releases. The decoder of JPEG is part of the plugin's version.
func TestDecodersAreIdentity(t *testing.T) {
	parts := curate.Plugin().Spec().Components
	if len(parts) != 2 || parts[0].Name != "image/gif" || parts[1].Name != "image/png" || !strings.HasPrefix(parts[0].Version, "go1.") || strings.Count(parts[0].Version, ".") != 1 {
		t.Fatalf("components %v", parts)
	}
}

// shared loads a real dataset, or skips.
func shared(t *testing.T, name string) plugintest.Files {
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	files := plugintest.Files{}
	dir := filepath.Join(root, name)
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	return files
}

func real(t *testing.T, params, name string) (map[string]document.Sample, document.Curation, document.Dataset) {
	t.Parallel()
	in := shared(t, name)
	return open(t, plugintest.Case{Plugin: curate.Plugin(), Params: params, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}.Must(t))
}

// Counts are those of `ls | wc -l` in the folders, as the README of the data gives them.
func TestChestXray(t *testing.T) {
	samples, report, info := real(t, `{"labels": {"classes": {"NORMAL": "normal", "PNEUMONIA": "pneumonia"}}, "sideFolder": 2, "restart": true,
		"pattern": "(?P<subject>person\\d+)_", "split": {"rule": "publisher", "validation": 0}}`, "chest_xray_kermany")
	if report.Expected != 320 || report.Done != 320 || info.Samples["train"] != 220 || info.Samples["test"] != 100 {
		t.Fatalf("expected %d, done %d, %v", report.Expected, report.Done, info.Samples)
	}
	if n := info.Counts["train"]["normal"] + info.Counts["test"]["normal"]; n != 160 {
		t.Errorf("%d normal, want 160", n)
	}
	if len(report.Duplicates) != 0 {
		t.Errorf("of 320 different chests, these are taken for the same: %v", report.Duplicates)
	}
	sides := map[string]bool{}
	for path, s := range samples {
		if strings.Contains(path, "/person1_") {
			sides[s.Split] = true
			if s.Subject != s.Split+"/person1" {
				t.Errorf("%s: subject %s on side %s", path, s.Subject, s.Split)
			}
		}
	}
	if !sides["train"] || !sides["test"] {
		t.Errorf("person1 is on %v, want both sides", sides)
	}
}

func TestBrainTumour(t *testing.T) {
	_, report, info := real(t, `{"sideFolder": 2, "split": {"rule": "publisher", "validation": 0}}`, "brain_tumor_mri")
	if report.Done != 142 || info.Samples["train"] != 106 || info.Samples["test"] != 36 {
		t.Fatalf("done %d, %v, failed %v", report.Done, info.Samples, report.Failed)
	}
	perClass := map[string]int{}
	for _, side := range info.Counts {
		for class, n := range side {
			perClass[class] += n
		}
	}
	if diff := cmp.Diff(map[string]int{"glioma_tumor": 35, "meningioma_tumor": 35, "no_tumor": 37, "pituitary_tumor": 35}, perClass); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, g := range report.Duplicates {
		got = append(got, fmt.Sprintf("%s %s %v %v", g.Kind, strings.Join(g.Samples, " = "), g.Crosses, g.Conflict))
	}
	slices.Sort(got)
	// Three pairs have the same bytes, two of them across sides; one more is one picture under two diagnoses.
	want := []string{
		"bytes test/Testing~2fno_tumor~2fimage~2828~29~2ejpg = train/Training~2fno_tumor~2fimage~284~29~2ejpg true false",
		"bytes test/Testing~2fno_tumor~2fimage~2891~29~2ejpg = train/Training~2fno_tumor~2fimage~2866~29~2ejpg true false",
		"bytes test/Testing~2fpituitary_tumor~2fimage~2896~29~2ejpg = test/Testing~2fpituitary_tumor~2fimage~2897~29~2ejpg false false",
		"near test/Testing~2fglioma_tumor~2fimage~2848~29~2ejpg = test/Testing~2fmeningioma_tumor~2fimage~2858~29~2ejpg false true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBUSI(t *testing.T) {
	_, report, info := real(t, `{"channels": 1}`, "busi_256")
	total := map[string]int{}
	for _, side := range info.Counts {
		for class, n := range side {
			total[class] += n
		}
	}
	if diff := cmp.Diff(map[string]int{"benign": 25, "malignant": 25, "normal": 25}, total); diff != "" || report.Done != 75 {
		t.Error(report.Done, diff)
	}
	if len(report.Duplicates) != 1 || report.Duplicates[0].Kind != document.NearMedia || !strings.Contains(strings.Join(report.Duplicates[0].Samples, " "), "~28104~29") {
		t.Errorf("duplicates %v, want the two pictures of one breast, normal (104) and (107)", report.Duplicates)
	}
}

// The tables name 2000 and 150 images, of which 140 and 50 are here; 80 of the 190 are melanomas.
func TestISIC(t *testing.T) {
	_, report, info := real(t, `{"channels": 3, "pattern": "ISIC-2017_(?P<split>Training|Validation)_Data/",
		"labels": {"from": "csv", "table": "*_Classes.csv", "id": "image_id", "columns": ["melanoma"], "classes": {"0.0": "benign", "1.0": "melanoma"}},
		"split": {"rule": "publisher"}}`, "isic2017")
	if report.Done != 190 || info.Samples["train"] != 140 || info.Samples["validation"] != 50 {
		t.Fatalf("done %d, %v", report.Done, info.Samples)
	}
	if len(report.Duplicates) != 0 {
		t.Errorf("of 190 different lesions, these are taken for the same: %v", report.Duplicates)
	}
	if n := info.Counts["train"]["melanoma"] + info.Counts["validation"]["melanoma"]; n != 80 {
		t.Errorf("%d melanomas, want 80", n)
	}
}
