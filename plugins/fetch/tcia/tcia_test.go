package tcia

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var (
	left  = publisher.DICOM("1.3.6.1.4.1.14519.5.2.1.10", bytes.Repeat([]byte("left"), 3000))
	right = publisher.DICOM("1.3.6.1.4.1.14519.5.2.1.11", bytes.Repeat([]byte("right"), 3000))
	mask  = publisher.DICOM("1.3.6.1.4.1.14519.5.2.1.12", make([]byte, 1<<20))
)

func box() *publisher.TCIA {
	return &publisher.TCIA{Series: []publisher.TCIASeries{
		{UID: "1.3.6.2", Collection: "CBIS-DDSM", Modality: "MG", BodyPart: "BREAST", Images: [][]byte{left, right, []byte("not DICOM")}, Licence: "CC BY"},
		{UID: "1.3.6.1", Collection: "CBIS-DDSM", Modality: "SEG", BodyPart: "BREAST", Images: [][]byte{mask}},
		{UID: "1.3.6.3", Collection: "CMMD", Modality: "MG", BodyPart: "BREAST", Images: [][]byte{left}, Sums: map[int]string{0: strings.Repeat("0", 32)}},
		{UID: "1.3.6.4", Collection: "Broken", Modality: "MG", BodyPart: "BREAST", Images: [][]byte{left, right}, Broken: true},
		{UID: "1.3.6.5", Collection: "Closed", Modality: "MG", BodyPart: "BREAST", Images: [][]byte{left}, Closed: true},
	}}
}

func run(t *testing.T, a *publisher.TCIA, params string) (plugintest.Files, error) {
	t.Helper()
	client := publisher.Hosts{"nbia.cancerimagingarchive.net": a}.Client(t)
	env := plugins.Env{Retry: plugins.Retry{Attempts: 1}}
	return plugintest.Case{Plugin: Plugin(client), Params: params, Env: env}.Run(t.Context(), 2, t.TempDir())
}

// TestFetch: however the server packs its zips, the files are the same, and called by what they are.
func TestFetch(t *testing.T) {
	a := box()
	for range 3 {
		files, err := run(t, a, `{"collection":"CBIS-DDSM"}`)
		if err != nil {
			t.Fatal(err)
		}
		delete(files, "dataset.json")
		odd := ""
		for path := range files {
			if strings.HasPrefix(path, "1.3.6.2/0000000") {
				odd = path
			}
		}
		want := plugintest.Files{
			"1.3.6.1/1.3.6.1.4.1.14519.5.2.1.12.dcm": mask,
			"1.3.6.2/1.3.6.1.4.1.14519.5.2.1.10.dcm": left,
			"1.3.6.2/1.3.6.1.4.1.14519.5.2.1.11.dcm": right,
			"1.3.6.2/LICENSE":                        []byte("CC BY"),
			odd:                                      []byte("not DICOM"),
		}
		if diff := plugintest.Diff(want, files); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSelected(t *testing.T) {
	files, err := run(t, box(), `{"collection":"CBIS-DDSM","modality":"SEG","body_part":"BREAST"}`)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
	want := `"api": "https://nbia.cancerimagingarchive.net/nbia-api/services/v4"`
	if text := string(files["dataset.json"]); !strings.Contains(text, want) || !strings.Contains(text, `"modality": "SEG"`) {
		t.Errorf("%s; want %s", text, want)
	}
}

func TestPinned(t *testing.T) {
	a := box()
	files, err := run(t, a, `{"collection":"CMMD","modality":"MG"}`)
	if err == nil {
		t.Fatalf("%v", files)
	}
	a.Series[2].Sums = nil
	if files, err = run(t, a, `{"collection":"CMMD"}`); err != nil {
		t.Fatal(err)
	}
	var doc struct{ Source map[string]string }
	if err := json.Unmarshal(files["dataset.json"], &doc); err != nil {
		t.Fatal(err)
	}
	params := fmt.Sprintf(`{"collection":"CMMD","list":%q}`, doc.Source["list"])
	if _, err := run(t, a, params); err != nil {
		t.Errorf("the list is the same: %v", err)
	}
	a.Series[2].Images = append(a.Series[2].Images, right)
	if _, err := run(t, a, params); plugins.FaultCode(err) != plugins.FaultManifest {
		t.Errorf("the series has another image: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for params, want := range map[string]struct {
		code  plugins.Code
		again bool
		text  string
	}{
		`{"collection":"CMMD"}`:   {plugins.FaultDamaged, true, "series 1.3.6.3: "},
		`{"collection":"Broken"}`: {plugins.FaultDamaged, true, "series 1.3.6.4: no md5hashes.csv in the zip"},
		`{"collection":"Closed"}`: {plugins.FaultForbidden, false, "1.3.6.5 is not open to all"},
		`{"collection":"cmmd"}`:   {"", false, `no series of collection "cmmd"`},
	} {
		files, err := run(t, box(), params)
		if err == nil || plugins.FaultCode(err) != want.code || plugins.IsTransient(err) != want.again || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v with code %q, again %v; want %q with %q", params, err, plugins.FaultCode(err), plugins.IsTransient(err), want.text, want.code)
		}
		if len(files) > 0 {
			t.Errorf("%s: %d files", params, len(files))
		}
	}
}

// TestFlipped: a bit that is flipped on the way is noticed, and another zip is worth a try.
func TestFlipped(t *testing.T) {
	for _, at := range []int{0, 500, 5000} {
		a := &publisher.TCIA{Series: []publisher.TCIASeries{{UID: "1.1", Collection: "C", Images: [][]byte{publisher.DICOM("1.2.3", sourcetest.Random(6000, 1))}}}}
		hosts := publisher.Hosts{"nbia.cancerimagingarchive.net": publisher.Faulty(a, publisher.For(func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "WithMD5Hash")
		}, publisher.FlipAt(at)))}
		files, err := plugintest.Case{Plugin: Plugin(hosts.Client(t)), Params: `{"collection":"C"}`, Env: plugins.Env{Retry: plugins.Retry{Attempts: 1}}}.Run(t.Context(), 1, t.TempDir())
		if plugins.FaultCode(err) != plugins.FaultDamaged || !plugins.IsTransient(err) || len(files) > 0 {
			t.Errorf("bit of byte %d: %d files, %v", at, len(files), err)
		}
	}
}

func packed(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		w, err := z.Create(entries[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, entries[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree is an output in memory in which a file counts when it was closed.
type tree map[string]string

func (o tree) Create(path string) (io.WriteCloser, error) { return &leaf{to: o, path: path}, nil }

type leaf struct {
	bytes.Buffer
	to   tree
	path string
}

func (f *leaf) Close() error { f.to[f.path] = f.String(); return nil }

func TestOddZips(t *testing.T) {
	const sumA = "7fc56270e7a70fa81a5935b72eacbe29" // md5 of "A"
	for _, c := range []struct {
		images  int64
		entries []string
		again   bool
		want    string
	}{
		{1, []string{"a", "A", "md5hashes.csv", "Filename,MD5Hash\na," + sumA + "\n"}, false, ""},
		{1, []string{"a", "A", "md5hashes.csv", "\"Filename\",\"MD5Hash\"\n\"a\",\"" + strings.ToUpper(sumA) + "\""}, false, ""},
		{1, []string{"a", "B", "md5hashes.csv", "Filename,MD5Hash\na," + sumA + "\n"}, true, "digest differs: publisher says md5:" + sumA},
		{2, []string{"a", "A", "md5hashes.csv", "Filename,MD5Hash\na," + sumA + "\n"}, true, "the list says 2 images, the zip has 1"},
		{2, []string{"a", "A", "md5hashes.csv", "Filename,MD5Hash\na," + sumA + "\nb," + sumA + "\n"}, true, "md5hashes.csv has 2 files, the zip has 1 of them"},
		{1, []string{"a", "A", "b", "B", "md5hashes.csv", "Filename,MD5Hash\na," + sumA + "\n"}, true, `"b" is not in md5hashes.csv`},
		{1, []string{"../a", "A", "md5hashes.csv", "Filename,MD5Hash\n../a," + sumA + "\n"}, false, "not a clean relative path"},
		{1, []string{"a", "A"}, true, "no md5hashes.csv in the zip"},
		{1, []string{"md5hashes.csv", "a," + sumA + "\n"}, true, "line 1: want Filename,MD5Hash"},
		{1, []string{"md5hashes.csv", "Filename,MD5Hash\na,xyz\n"}, true, "line 2: want a name"},
		{1, []string{"md5hashes.csv", "Filename,MD5Hash\na," + sumA + "\na," + sumA + "\n"}, true, "line 3: want a name that is there once"},
	} {
		z, out := packed(t, c.entries...), tree{}
		err := series{UID: "1.2", images: c.images, bytes: 10}.expand(t.Context(), bytes.NewReader(z), int64(len(z)), out)
		if c.want == "" {
			if diff := cmp.Diff(tree{"1.2/a": "A"}, out); err != nil || diff != "" {
				t.Error(err, diff)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || plugins.IsTransient(err) != c.again {
			t.Errorf("%q: %v, again %v; want %q", c.entries, err, plugins.IsTransient(err), c.want)
		}
		if out["1.2/a"] == "B" {
			t.Error("a file counts that is not what its sum says")
		}
	}
	err := series{UID: "1.2", images: 1}.expand(t.Context(), strings.NewReader("no zip"), 6, tree{})
	if !plugins.IsTransient(err) {
		t.Errorf("no zip: %v", err)
	}
}

// documented is the example of getSeries in NBIA's OpenAPI description.
const documented = `[{"SeriesInstanceUID": "1.3.6.1.4.1.14519.5.2.1.2135.6389.861085683843003228352649673146", "StudyInstanceUID": "1.3.6.1.4.1.14519.5.2.1.2135.6389.101337736148606617569659173510",
	"Modality": "MG", "SeriesDescription": "DBT slices", "BodyPartExamined": "BREAST", "Collection": "VICTRE", "Site": "FDA", "PatientID": "1215936303", "PatientSex": "F",
	"Manufacturer": "VICTRE", "ImageCount": 57, "MaxSubmissionTimestamp": "02-25-2019", "LicenseName": "Creative Commons Attribution 3.0 Unported License",
	"LicenseURI": "http://creativecommons.org/licenses/by/3.0/", "DataDescriptionURI": "https://doi.org/10.7937/TCIA.2019.ho23nxaw", "FileSize": 165975906,
	"ReleasedStatus": "Yes", "DateReleased": "03-08-2019", "StudyDesc": "DBT Reconstructed Volume", "StudyDate": "01-06-2018", "Authorized": 1}]`

func TestDocumented(t *testing.T) {
	got, err := parseSeries([]byte(documented), "VICTRE")
	if err != nil || len(got) != 1 || got[0].images != 57 || got[0].bytes != 165975906 {
		t.Fatalf("%+v, %v", got, err)
	}
	f := got[0].file()
	if want := api + "/getImageWithMD5Hash?SeriesInstanceUID=1.3.6.1.4.1.14519.5.2.1.2135.6389.861085683843003228352649673146"; f.Ref != want || f.Expand == nil || f.Size != -1 {
		t.Errorf("%+v", f)
	}
}

func TestOddLists(t *testing.T) {
	one := `{"SeriesInstanceUID":"1.2","Collection":"C","ImageCount":"1","FileSize":1}`
	for text, want := range map[string]string{
		`[` + one + `]`: "", ` `: "", `[]`: "",
		`[` + one + `,` + one + `]`: "series 1.2 is there twice",
		`{`:                         "want JSON",
		`[{"SeriesInstanceUID":"../1","Collection":"C","ImageCount":1,"FileSize":1}]`:  "want numbers with dots",
		`[{"SeriesInstanceUID":"1.2","Collection":"D","ImageCount":1,"FileSize":1}]`:   `is of collection "D"`,
		`[{"SeriesInstanceUID":"1.2","Collection":"C","ImageCount":0,"FileSize":1}]`:   "ImageCount is",
		`[{"SeriesInstanceUID":"1.2","Collection":"C","ImageCount":1,"FileSize":-1}]`:  "FileSize is",
		`[{"SeriesInstanceUID":"1.2","Collection":"C","ImageCount":1}]`:                "FileSize is",
		`[{"SeriesInstanceUID":"1.2","Collection":"C","ImageCount":1e3,"FileSize":1}]`: "ImageCount is",
	} {
		_, err := parseSeries([]byte(text), "C")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func TestSOPInstanceUID(t *testing.T) {
	for want, head := range map[string][]byte{
		"1.2.3":  publisher.DICOM("1.2.3", nil),
		"1.2.34": publisher.DICOM("1.2.34", []byte("pixels")),
		"":       publisher.DICOM("../x", nil),
	} {
		if got := sopInstanceUID(head); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for n := range len(head) - 30 {
			if got := sopInstanceUID(head[:n]); got != "" && got != want {
				t.Errorf("of %d bytes: %q", n, got)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: "collection is required", `{"collection":" x"}`: "begins or ends with a blank", `{"collection":"x","modality":"a\nb"}`: "control character", `{"collection":"x","list":"y"}`: "list: ",
	} {
		if _, err := Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", params, err, want)
		}
	}
}

func FuzzSeries(f *testing.F) {
	f.Add([]byte(documented))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseSeries(text, "VICTRE")
		for _, s := range all {
			if err == nil && (!isUID(s.UID) || s.images < 1 || s.bytes < 0 || plugins.CheckPath(s.file().Path) != nil) {
				t.Errorf("%+v", s)
			}
		}
	})
}

func FuzzSums(f *testing.F) {
	f.Add([]byte("Filename,MD5Hash\n00000001.dcm,7fc56270e7a70fa81a5935b72eacbe29\n"))
	f.Add([]byte("\"Filename\",\"MD5Hash\"\r\n\"a\nb\",\"x\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := parseSums(text)
		for name, sum := range sums {
			if err == nil && (name == "" || !md5Form.MatchString(sum)) {
				t.Errorf("%q: %q", name, sum)
			}
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add(publisher.DICOM("1.2.3", nil))
	f.Add(append(make([]byte, 128), "DICM\x02\x00\x03\x00OB\x00\x00\xff\xff\xff\xff"...))
	f.Fuzz(func(t *testing.T, head []byte) {
		if uid := sopInstanceUID(head); uid != "" && plugins.CheckPath(uid+".dcm") != nil {
			t.Errorf("%q", uid)
		}
	})
}
