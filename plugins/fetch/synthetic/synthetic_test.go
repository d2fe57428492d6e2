package synthetic

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func tree(t *testing.T, params string, seed uint64) plugintest.Files {
	t.Helper()
	return plugintest.Case{Plugin: Plugin(), Params: params, Seed: seed}.Must(t)
}

// sum names a whole tree.
func sum(f plugintest.Files) string {
	var b strings.Builder
	for _, file := range f.Files() {
		fmt.Fprintln(&b, file.Digest, file.Path)
	}
	return digest.FromString(b.String()).Encoded()[:16]
}

// TestGolden fails when one byte of any dataset changes. If that was meant, raise the plugin's version.
func TestGolden(t *testing.T) {
	for params, want := range map[string]string{
		`{"dataset":"ecg","samples":24,"seconds":4}`:            "241583acf51953c6",
		`{"dataset":"ecg","samples":24,"seconds":4,"site":"b"}`: "35f996ab87535960",
		`{"dataset":"xray","samples":30,"pixels":48}`:           "f5825f5480056b45",
		`{"dataset":"xray","samples":4,"site":"b"}`:             "bc7c9c10e56ab185",
		`{"dataset":"graph","samples":40}`:                      "c9c4126aa9280601",
		`{"dataset":"graph","samples":40,"site":"b"}`:           "f10f9c45b1ca6c2b",
		`{"dataset":"table","samples":100}`:                     "6fbe590be46aee29",
		`{"dataset":"table","samples":100,"site":"b"}`:          "9a8bceeb385d8d6e",
	} {
		t.Run(params, func(t *testing.T) {
			got := sum(plugintest.Case{Plugin: Plugin(), Params: params, Seed: 7}.Deterministic(t))
			if got != want {
				t.Errorf("bytes changed: %s, want %s", got, want)
			}
		})
	}
}

func TestSeedChangesEverything(t *testing.T) {
	for _, dataset := range []string{"ecg", "xray", "graph", "table"} {
		params := fmt.Sprintf(`{"dataset":%q,"samples":5,"seconds":1,"pixels":16}`, dataset)
		if sum(tree(t, params, 1)) == sum(tree(t, params, 2)) {
			t.Errorf("%s: two seeds give the same bytes", dataset)
		}
	}
}

func TestLargerDatasetBeginsWithTheSmaller(t *testing.T) {
	small := tree(t, `{"dataset":"ecg","samples":3,"seconds":1}`, 1)
	large := tree(t, `{"dataset":"ecg","samples":6,"seconds":1}`, 1)
	for path, data := range small {
		if path != document.DatasetFile && !bytes.Equal(data, large[path]) {
			t.Errorf("%s differs", path)
		}
	}
}

func TestECGHeaderAgreesWithSignal(t *testing.T) {
	files := tree(t, `{"dataset":"ecg","samples":24,"seconds":2}`, 3)
	for n := 1; n <= 24; n++ {
		if n == cutRecord {
			continue
		}
		name := fmt.Sprintf("SA%05d", n)
		lines := strings.Split(string(files[name+".hea"]), "\n")
		first := strings.Fields(lines[0])
		length, _ := strconv.Atoi(first[3])
		if want := map[bool]int{true: 500, false: 1000}[n == shortRecord]; length != want {
			t.Errorf("%s: length %d, want %d", name, length, want)
		}
		mat := files[name+".mat"]
		if len(mat) != 24+24*length || string(mat[20:24]) != "val\x00" {
			t.Fatalf("%s: mat has %d bytes for %d samples", name, len(mat), length)
		}
		for lead := range 12 {
			var check int16
			for s := range length {
				check += int16(binary.LittleEndian.Uint16(mat[24+2*(12*s+lead):]))
			}
			if f := strings.Fields(lines[1+lead]); f[6] != strconv.Itoa(int(check)) {
				t.Errorf("%s lead %d: checksum %s, signal has %d", name, lead, f[6], check)
			}
		}
	}
}

func TestECGQuirks(t *testing.T) {
	files := tree(t, `{"dataset":"ecg","samples":24,"seconds":2}`, 3)
	if !bytes.Equal(files["SA00016.mat"], files["SA00017.mat"]) {
		t.Error("record 17 does not repeat record 16")
	}
	if len(files["SA00011.mat"]) != (24+24*1000)/3 {
		t.Errorf("record 11 has %d bytes, want it cut", len(files["SA00011.mat"]))
	}
	if h := string(files["SA00013.hea"]); !strings.Contains(h, "#Age: NaN\n") || !strings.Contains(h, "#Dx: 10370003\n") {
		t.Errorf("record 13: %s", h)
	}
	if h := string(files["SA00007.hea"]); strings.Count(h, " 16 0 0 0 0 V") != 6 {
		t.Errorf("record 7 has no six flat leads: %s", h)
	}
	clean := tree(t, `{"dataset":"ecg","samples":24,"seconds":1,"quirks":false}`, 3)
	if len(clean["SA00011.mat"]) != 24+24*500 {
		t.Error("a fault was planted although quirks are off")
	}
}

func TestECGHasEveryRhythm(t *testing.T) {
	files := tree(t, `{"dataset":"ecg","samples":60,"seconds":1}`, 1)
	count := map[string]int{}
	for path, data := range files {
		if _, code, ok := strings.Cut(string(data), "#Dx: "); ok && strings.HasSuffix(path, ".hea") {
			code, _, _ = strings.Cut(code, "\n")
			count[code]++
		}
	}
	for _, code := range snomed {
		if count[code] < 5 {
			t.Errorf("code %s: %d records of 60", code, count[code])
		}
	}
}

func TestXrayFolders(t *testing.T) {
	files := tree(t, `{"dataset":"xray","samples":30,"pixels":32}`, 1)
	byDigest := map[digest.Digest][]string{}
	broken := 0
	for _, f := range files.Files() {
		if !strings.HasSuffix(f.Path, ".jpeg") {
			continue
		}
		byDigest[f.Digest] = append(byDigest[f.Digest], f.Path)
		img, err := jpeg.Decode(bytes.NewReader(files[f.Path]))
		if err != nil {
			broken++
			if !strings.HasPrefix(f.Path, "test/") {
				t.Errorf("%s: %v", f.Path, err)
			}
		} else if img.Bounds().Dx() != 32 {
			t.Errorf("%s is %v", f.Path, img.Bounds())
		}
	}
	if broken != 1 {
		t.Errorf("%d images do not decode, want 1", broken)
	}
	crossing := slices.DeleteFunc(slices.Collect(maps.Values(byDigest)), func(p []string) bool { return len(p) < 2 })
	if len(crossing) != 1 || !strings.HasPrefix(crossing[0][0], "test/") || !strings.HasPrefix(crossing[0][1], "train/") {
		t.Errorf("duplicates %v, want one across train and test", crossing)
	}
}

func TestGraphFilesAgree(t *testing.T) {
	files := tree(t, `{"dataset":"graph","samples":40}`, 1)
	lines := func(name string) []string {
		return strings.Split(strings.TrimSpace(string(files["SYN_"+name+".txt"])), "\n")
	}
	nodes := lines("graph_indicator")
	if len(lines("graph_labels")) != 40 || len(lines("node_labels")) != len(nodes) {
		t.Fatal("files differ in length")
	}
	seen := map[string]bool{}
	for _, line := range lines("A") {
		var a, b int
		if _, err := fmt.Sscanf(line, "%d, %d", &a, &b); err != nil || a == b || nodes[a-1] != nodes[b-1] {
			t.Fatalf("edge %q: %v", line, err)
		}
		if seen[line] {
			t.Errorf("edge %q is there twice", line)
		}
		seen[line] = true
	}
	for edge := range seen {
		a, b, _ := strings.Cut(edge, ", ")
		if !seen[b+", "+a] {
			t.Errorf("edge %s has no way back", edge)
		}
	}
}

func TestTable(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(string(tree(t, `{"dataset":"table","samples":100,"site":"b"}`, 1)["heart.csv"])), "\n")
	if rows[0] != heartHeader || len(rows) != 101 {
		t.Fatalf("%d rows under %q", len(rows), rows[0])
	}
	got := map[string]int{}
	for i, row := range rows[1:] {
		cells := strings.Split(row, ",")
		if len(cells) != 15 {
			t.Errorf("row %d has %d cells", i+1, len(cells))
		}
		got["num "+cells[diagnosis]]++
		if cells[cholesterol] == "0" {
			got["zero"]++
		}
		if slices.Contains(cells[:diagnosis], "?") {
			got["missing"]++
		}
		if i > 0 && row == rows[i] {
			got["repeated"]++
		}
	}
	if got["repeated"] != 2 || got["num ?"] != 1 || got["zero"] < 5 || got["missing"] < 20 || got["num 0"] < 20 || got["num 1"] < 20 {
		t.Error(got)
	}
}

func TestDocumentSaysWhatWasMade(t *testing.T) {
	files := tree(t, `{"dataset":"table","samples":10}`, 1)
	var got document.Dataset
	if err := json.Unmarshal(files[document.DatasetFile], &got); err != nil {
		t.Fatal(err)
	}
	want := document.Dataset{
		Schema: document.DatasetSchema, Stage: "raw", Files: 1, Bytes: int64(len(files["heart.csv"])),
		Source: map[string]string{"plugin": "fetch/synthetic@1", "dataset": "table", "site": "a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParamsAreChecked(t *testing.T) {
	for params, want := range map[string]string{
		`{"dataset":"mri"}`:   `dataset is "mri"`,
		`{"site":"c"}`:        `site is "c"`,
		`{"samples":0}`:       "samples is 0",
		`{"samples":1000000}`: "samples is 1000000",
		`{"difficulty":1.5}`:  "difficulty is 1.5",
		`{"seconds":0}`:       "seconds is 0",
		`{"pixels":8}`:        "pixels is 8",
		`{"dataste":"ecg"}`:   `"dataste"`,
	} {
		if _, err := Plugin().Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}
