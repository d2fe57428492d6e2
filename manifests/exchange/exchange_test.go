package exchange

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
)

// TestMatlab compares with what scipy 1.17.1 writes: scipy.io.savemat(f, {"val": x}, format="4") of a float32 matrix.
func TestMatlab(t *testing.T) {
	const want = "0a0000000200000003000000000000000400000076616c000000803fcdcccc3d0000204000008040000040c06f12833a"
	got := Matlab(2, 3, []float32{1, 2.5, -3, 0.1, 4, 1e-3})
	if hex.EncodeToString(got) != want {
		t.Errorf("%x, want %s", got, want)
	}
	if got := string(Header("x", 500, 5000)) + string(Header("y", 62.5, 3)); got != "x 0 500 5000\ny 0 62.5 3\n" {
		t.Errorf("headers %q", got)
	}
}

// TestVideo: what RIFF says of its sizes is so, and what cannot be a video is refused.
func TestVideo(t *testing.T) {
	var b bytes.Buffer
	if err := Video(&b, 4, 2, [][]byte{[]byte("odd"), []byte("even")}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if want := "movi00dc\x03\x00\x00\x00odd\x0000dc\x04\x00\x00\x00evenidx1\x20\x00\x00\x00" +
		"00dc\x10\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x0000dc\x10\x00\x00\x00\x10\x00\x00\x00\x04\x00\x00\x00"; !strings.HasSuffix(text, want) {
		t.Errorf("%q", text[strings.Index(text, "movi"):])
	}
	if n := int(text[4]) | int(text[5])<<8; n != len(text)-8 {
		t.Errorf("RIFF says %d of %d bytes", n, len(text)-8)
	}
	for _, frames := range [][][]byte{nil, {}} {
		if Video(&b, 4, 2, frames) == nil {
			t.Error("a video without frames")
		}
	}
	if Video(&b, 0, 2, [][]byte{{1}}) == nil {
		t.Error("a video without pixels")
	}
	many := make([]byte, 1<<20)
	if err := Video(&b, 4, 2, slices.Repeat([][]byte{many}, 2048)); err == nil || !strings.Contains(err.Error(), "the most is") {
		t.Errorf("a video of 2 GiB: %v", err)
	}
}

// FuzzClassFolder: a folder for every class, a different one for each, and none that leads elsewhere.
func FuzzClassFolder(f *testing.F) {
	for _, s := range [][2]string{{"a", "b"}, {"", "~"}, {"../x", ".."}, {"a/b", "a~2fb"}, {" a", "a "}, {".", "~2e"}, {"CON", "\x00"}, {"é", "\xff"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := ClassFolder(a), ClassFolder(b)
		if a != b && x == y {
			t.Errorf("%q and %q are both %q", a, b, x)
		}
		if x == "" || x == "." || x == ".." || strings.ContainsAny(x, "/\\\x00") {
			t.Errorf("%q is %q", a, x)
		}
	})
}

func TestClassFolder(t *testing.T) {
	for class, want := range map[string]string{
		"benign": "benign", "A. Fib/Aflutter": "A. Fib~2fAflutter", "no finding": "no finding", "": "~", "..": "~2e~2e", "Ödem": "Ödem", "a~": "a~7e", "x.": "x~2e",
	} {
		if got := ClassFolder(class); got != want {
			t.Errorf("%q: %q, want %q", class, got, want)
		}
	}
}

// TestTableBounds: a table of odd samples can be written, and twice the same is the same.
func TestTableBounds(t *testing.T) {
	d := document.Dataset{ID: "d", Task: &document.Task{Type: document.Multilabel, Classes: []string{"a.b", `"`, "ü", "class:x"}}}
	write := func() []byte {
		var b bytes.Buffer
		tab, err := NewTable(&b, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []document.Sample{
			{ID: "1"},
			{ID: "2", Labels: []string{"a.b", "ü", "unknown"}, Media: []document.Media{{}, {Shape: []int{1, 2}, SamplingRate: math.Inf(1)}, {Shape: []int{3}}}},
			{ID: "3", Meta: map[string]string{"b": "2", "a": "1", "c": ""}, Sources: []document.Source{{Path: "x", Digest: digest.FromString("x")}, {}}},
		} {
			if err := tab.Write(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if !bytes.Equal(write(), write()) {
		t.Error("the table is another one the second time")
	}
	d.Task.Classes = []string{"a", "a"}
	if _, err := NewTable(&bytes.Buffer{}, d); err == nil {
		t.Error("two columns of one name")
	}
}

// TestQuestion: the markers, the text and the classes stand where CLIMB's loaders put them.
func TestQuestion(t *testing.T) {
	d := document.Dataset{ID: "d", Modality: "xray", Task: &document.Task{Type: document.Multilabel, Classes: []string{"Edema", "Fracture"}}}
	a := Annotate(d, document.Sample{ID: "x", Dataset: "d", Text: "A man of 60.", Labels: []string{"Edema", "Fracture"}}, Annotation{Images: []string{"1.png", "2.png"}})
	line, err := a.Line()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	const question = "<image>\n<image>\nA man of 60.\nAbove is an X-ray image. Which class does it belong to? Answer with one or multiple phrases from the following:\nEdema\nFracture"
	if diff := cmp.Diff(map[string]any{
		"images": []any{"1.png", "2.png"}, "explanation": "", "id": "x", "dataset": "d", "subject": "", "labels": []any{"Edema", "Fracture"},
		"conversations": []any{map[string]any{"from": "human", "value": question}, map[string]any{"from": "gpt", "value": "Edema, Fracture"}},
	}, got); diff != "" {
		t.Error(diff)
	}
	if bytes.Count(line, []byte("\n")) != 1 || !bytes.Contains(line, []byte("<image>")) {
		t.Errorf("line %q", line)
	}
}
