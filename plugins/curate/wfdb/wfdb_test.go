package wfdb

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sharedData finds the real test data, or skips.
func sharedData(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CAIRN_SHARED_DATA")
	if dir == "" {
		dir, _ = filepath.Abs(".")
		for ; dir != "/"; dir = filepath.Dir(dir) {
			if d := filepath.Join(dir, "..", "shared", "data"); isDir(d) {
				return d
			}
		}
	}
	if !isDir(dir) || dir == "/" {
		t.Skip("shared/data is absent; set CAIRN_SHARED_DATA to run the tests on real records")
	}
	return dir
}

func isDir(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

func memory(files map[string]string) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) {
		b, ok := files[name]
		if !ok {
			return nil, os.ErrNotExist
		}
		return io.NopCloser(strings.NewReader(b)), nil
	}
}

func onDisk(dir string) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, filepath.Base(name))) }
}

const limit = 64 << 20

func read(t testing.TB, dir, name string) *Record {
	t.Helper()
	r, err := tryRead(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryRead(dir, name string) (*Record, error) {
	f, err := os.Open(filepath.Join(dir, name+".hea"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := ParseHeader(f)
	if err != nil {
		return nil, err
	}
	return h.Read(onDisk(dir), limit)
}

func TestParseHeader(t *testing.T) {
	h, err := ParseHeader(strings.NewReader("# before\r\nrec 2 360/12(3) 10 12:00:00 01/02/2003\r\n" +
		"a.dat 212x2:3+24 100.5(-7)/uV 11 1024 995 -22131 0 lead  II\r\nb.dat 16\r\n\r\n#Age: 80\n# Dx: 1,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Header{Record: "rec", Frequency: 360, Frames: 10, Comments: []string{"before", "Age: 80", "Dx: 1,2"}, Signals: []Signal{
		{File: "a.dat", Format: 212, PerFrame: 2, Skew: 3, Offset: 24, Gain: 100.5, Baseline: -7, Units: "uV", Resolution: 11,
			Zero: 1024, Initial: 995, Checksum: -22131, HasInitial: true, HasChecksum: true, Name: "lead  II"},
		{File: "b.dat", Format: 16, PerFrame: 1, Gain: 200, Units: "mV"},
	}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	if h.Fact("age") != "80" || h.Fact("Dx") != "1,2" || h.Fact("Sex") != "" {
		t.Errorf("facts: %q %q %q", h.Fact("age"), h.Fact("Dx"), h.Fact("Sex"))
	}
}

func TestDefaults(t *testing.T) {
	h, err := ParseHeader(strings.NewReader("r 1\nd 16 0/mV 12 100\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := h.Signals[0]
	if h.Frequency != 250 || s.Gain != 200 || s.Baseline != 100 || s.Initial != 100 || s.HasInitial {
		t.Errorf("frequency %v, signal %+v", h.Frequency, s)
	}
	if got := s.Physical(300); got != 1 {
		t.Errorf("300 is %v mV, want 1", got)
	}
}

func TestHeaderErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no record line",
		"r":                                   "line 1: record line",
		"r/3 2 360 100":                       "announces 3 segments, header has 0",
		"r/1 2 360 100\na 99":                 "announces 100 samples, the segments have 99",
		"r/2 2 360\na 99\nb 0":                "line 3: segment b has no samples",
		"r/1 2 360\n../a 99":                  "line 2: segment line",
		"r/0 2":                               "number of segments",
		"r 9999999999":                        "number of signals",
		"r 2\nd 16":                           "announces 2 signals, header has 1",
		"r 1\nd 16\ne 16":                     "line 3: more than the 1 signals",
		"r 1 -5\nd 16":                        "sampling frequency",
		"r 1 NaN\nd 16":                       "sampling frequency",
		"r 1 500 x\nd 16":                     "number of samples",
		"r 1\nd":                              "line 2: signal line",
		"r 1\nd sixteen":                      "format",
		"r 1\nd 16x0":                         "no sample a frame",
		"r 1\nd 16 mV":                        "gain",
		"r 1\nd 16 200/mV 16 0 0 99999999999": "checksum",
	} {
		if _, err := ParseHeader(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// The bytes are packed by hand from signal(5).
func TestFormats(t *testing.T) {
	for format, c := range map[string]struct {
		bytes string
		want  []int32
	}{
		"8":   {"\x01\xff\x7f", []int32{1, 0, 127}},
		"16":  {"\x01\x00\xff\xff\x00\x80", []int32{1, -1, -32768}},
		"24":  {"\x01\x00\x00\xff\xff\xff\x00\x00\x80", []int32{1, -1, -8388608}},
		"32":  {"\x01\x00\x00\x00\xfe\xff\xff\xff\x00\x00\x00\x80", []int32{1, -2, -2147483648}},
		"61":  {"\x00\x01\xff\xfe\x80\x00", []int32{1, -2, -32768}},
		"80":  {"\x80\x00\xff", []int32{0, -128, 127}},
		"160": {"\x00\x80\x00\x00\xff\xff", []int32{0, -32768, 32767}},
		"212": {"\xff\x7f\xfe\x01\x08", []int32{-1, 2046, -2047}},
		"310": {"\x02\x08\xfe\xf7", []int32{1, -1, -63}},
		"311": {"\x01\xfc\xdf\xff", []int32{1, -1, -3}},
	} {
		h, err := ParseHeader(strings.NewReader("r 1 100 3\nd " + format + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := h.Read(memory(map[string]string{"d": c.bytes}), limit)
		if err != nil {
			t.Errorf("format %s: %v", format, err)
			continue
		}
		if diff := cmp.Diff([][]int32{c.want}, r.Samples); diff != "" {
			t.Errorf("format %s: %s", format, diff)
		}
	}
}

func TestFramesAndSkew(t *testing.T) {
	h, err := ParseHeader(strings.NewReader("r 2 100 3\nd 80x2\nd 80:1\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Read(memory(map[string]string{"d": "\x81\x82\x91\x83\x84\x92\x85\x86\x93"}), limit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]int32{{1, 2, 3, 4, 5, 6}, {18, 19, -128}}, r.Samples); diff != "" {
		t.Error(diff)
	}
	if r.Valid(1, -128) || !r.Valid(1, 19) {
		t.Error("the sample that skew took away must be invalid")
	}
}

func TestReadErrors(t *testing.T) {
	mat := "\x1e\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00val\x00"
	for _, c := range []struct{ header, bytes, want string }{
		{"r 1 100 4\nd 16\n", "\x01\x00", "header announces 8 bytes, file has 2"},
		{"r 1 100 2000000000\nd 16\n", "", "limit"},
		{"r 1 100\nd 16+24\n", "short", "header announces 24 bytes, file has 5"},
		{"r 1 100 1\nd 16 200 16 0 5 7\n", "\x07\x00", "header says 5, file has 7"},
		{"r 1 100 2\nd 16 200 16 0 7 8\n", "\x07\x00\x02\x00", "header says 8, samples add up to 9"},
		{"r 1 100 2\nd 524\n", "", "FLAC"},
		{"r/1 1 100 2\na 2\n", "", "not exist"},
		{"r/2 1 100 9\na 0\n~ 9\n", "", "not exist"},
		{"r 1 100 2\nd 17\n", "", "format 17 is not known"},
		{"r 2 100 2\nd 16\nd 80\n", "", "signals of one file"},
		{"r 1 100 2\nx 16\n", "", "not exist"},
		{"r 1 100 2\nd.mat 16+24\n", mat + "aabb", "matrix is 1 x 3, header announces 1 signals of 2 samples"},
		{"r 1 100 2\nd.mat 16+24\n", strings.Repeat("x", 28), "not a MAT version 4 matrix"},
	} {
		h, err := ParseHeader(strings.NewReader(c.header))
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Read(memory(map[string]string{"d": c.bytes, "d.mat": c.bytes}), limit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.header, err, c.want)
		}
	}
}

// The values are those of wfdb-python 4.3.1, rdrecord(physical=False).d_signal.
func TestRealFormats(t *testing.T) {
	r := read(t, filepath.Join(sharedData(t), "malformed", "wfdb_formats"), "binformats")
	type facts struct {
		First, Last [3]int32
		Sum         int64
	}
	want := []facts{
		{[3]int32{-2047, -1920, -1793}, [3]int32{111, -17, 110}, 165465},
		{[3]int32{-32766, -32242, -31718}, [3]int32{30533, 31057, 31581}, -750},
		{[3]int32{-32765, -32241, -31717}, [3]int32{30534, 31058, 31582}, -251},
		{[3]int32{-124, -110, -96}, [3]int32{-65, -51, -37}, -517},
		{[3]int32{-32763, -32239, -31715}, [3]int32{30536, 31060, 31584}, 747},
		{[3]int32{-2042, -1758, -1474}, [3]int32{-408, -124, 160}, -6824},
		{[3]int32{-505, -158, 189}, [3]int32{-257, 90, 437}, -1621},
		{[3]int32{-504, -157, 190}, [3]int32{-256, 91, 438}, -2145},
		{[3]int32{-8388599, -8322795, -8256991}, [3]int32{7472970, 7538774, 7604578}, -103338557},
		{[3]int32{-2147483638, -2130640619, -2113797600}, [3]int32{1911686491, 1928529510, 1945372529}, -26804401573},
	}
	var got []facts
	for _, s := range r.Samples {
		f := facts{First: [3]int32(s[:3]), Last: [3]int32(s[len(s)-3:])}
		for _, v := range s {
			f.Sum += int64(v)
		}
		got = append(got, f)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The sums of absolute values are those of wfdb-python 4.3.1.
func TestRealRecords(t *testing.T) {
	data := sharedData(t)
	for _, c := range []struct {
		folder, name string
		sums         []int64
		second       float64 // the second sample of the first signal in its unit
	}{
		{"cinc2021_ecg", "A0689", []int64{327691, 234025}, -0.045},
		{"cinc2021_ecg", "JS11438", []int64{385117, 472204}, 0.161},
		{"gaitndd", "als1", []int64{92274240, 90988086}, -0.22866666666666666},
	} {
		r := read(t, filepath.Join(data, c.folder), c.name)
		for i, want := range c.sums {
			var got int64
			for _, v := range r.Samples[i] {
				got += int64(max(v, -v))
			}
			if got != want {
				t.Errorf("%s signal %d: sum of absolute values %d, want %d", c.name, i, got, want)
			}
		}
		if got := r.Signals[0].Physical(r.Samples[0][1]); got != c.second {
			t.Errorf("%s: second sample %v, want %v", c.name, got, c.second)
		}
	}
}

func TestHeaderWithoutLength(t *testing.T) {
	dir := filepath.Join(sharedData(t), "malformed", "wfdb_formats")
	whole, unsaid := read(t, dir, "a103l"), read(t, dir, "a103l-no-len")
	if diff := cmp.Diff(whole.Samples, unsaid.Samples); diff != "" {
		t.Errorf("a header without a length gives other samples: %.200s", diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("r 1 500 2\nd.mat 16+2 1000/mV 16 0 1 3 0 I\n#Dx: 1", []byte("xx\x01\x00\x02\x00"))
	f.Add("r 2 360\nd 212:3 200 11 1024\nd 212x2\n", []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add("r 1 1 999999999\nd 8x65535\n", []byte{1})
	f.Add("r 1\nd 16x2", []byte("0"))
	f.Add("r/2 1 1 5\n~ 2\na 3\n", []byte("a 1 1 3\na.hea 80 1 1 1 31\n"))
	f.Add("r 1 1\nd 516\n", []byte("fLaC\x80\x00\x00\x22"))
	const small = 1 << 16
	f.Fuzz(func(t *testing.T, header string, data []byte) {
		h, err := ParseHeader(strings.NewReader(header))
		if err != nil {
			return
		}
		r, err := h.Read(func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }, small)
		if err != nil {
			return
		}
		made := 0
		for i, s := range r.Signals {
			n := len(r.Physical(i, nil))
			if n%s.PerFrame != 0 || r.parts == nil && n != len(r.Samples[i]) {
				t.Errorf("signal %d has %d samples", i, n)
			}
			made += n
		}
		if made > small/4 {
			t.Errorf("%d samples were made, the limit is %d", made, small/4)
		}
	})
}

func FuzzAnnotations(f *testing.F) {
	f.Add([]byte("\x00\xec\x01\x00\xc8\x54\x00\x58\xff\xfb\x03\xfcabc\x00\x05\x04\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ReadAnnotations(bytes.NewReader(data), 1<<12)
		if err == nil && len(a.List) > len(data)/2 {
			t.Errorf("%d annotations out of %d bytes", len(a.List), len(data))
		}
	})
}
