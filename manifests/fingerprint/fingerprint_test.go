package fingerprint_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// picture is h x w grey values of some smooth blobs, which the seed draws. They are the same at any size.
func picture(seed uint64, h, w int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, h*w)
	for range 40 {
		cy, cx, size, tone := r.Float64(), r.Float64(), 0.03+0.1*r.Float64(), 200*r.Float64()-100
		for y := range h {
			for x := range w {
				dy, dx := (float64(y)+0.5)/float64(h)-cy, (float64(x)+0.5)/float64(w)-cx
				out[y*w+x] += tone * math.Exp(-(dy*dy+dx*dx)/(2*size*size))
			}
		}
	}
	return out
}

// bytesOf are the values as uint8 around 128, after a change.
func bytesOf(values []float64, change func(float64) float64) []byte {
	out := make([]byte, len(values))
	for i, v := range values {
		out[i] = byte(min(max(math.Round(change(v)), 0), 255))
	}
	return out
}

func floatsOf(values []float64) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
	}
	return out
}

func printOf(t testing.TB, kind string, shape []int, dtype string, npy []byte) *fingerprint.Print {
	t.Helper()
	var m fingerprint.Maker
	m.Add(kind, shape, dtype, append([]byte("a header"), npy...))
	p, ok := m.Print()
	if !ok {
		t.Fatalf("%s %v %s has no fingerprint", kind, shape, dtype)
	}
	return &p
}

func plain(v float64) float64 { return v/2 + 128 }

func TestImage(t *testing.T) {
	grey := bytesOf(picture(1, 64, 64), plain)
	p := printOf(t, "image", []int{64, 64}, "uint8", grey)
	var colour, planes []byte
	for _, v := range grey {
		colour = append(colour, v, v, v)
	}
	planes = slices.Concat(grey, grey, grey)
	r := rand.New(rand.NewPCG(5, 5))
	for name, c := range map[string]struct {
		print   *fingerprint.Print
		atMost  int
		atLeast int
	}{
		"itself":           {printOf(t, "image", []int{64, 64}, "uint8", grey), 0, 0},
		"colour":           {printOf(t, "image", []int{64, 64, 3}, "uint8", colour), 0, 0},
		"colour in planes": {printOf(t, "image", []int{3, 64, 64}, "uint8", planes), 0, 0},
		"floats":           {printOf(t, "image", []int{64, 64}, "float32", floatsOf(picture(1, 64, 64))), 1, 0},
		"another size":     {printOf(t, "image", []int{97, 121}, "uint8", bytesOf(picture(1, 97, 121), plain)), 5, 0},
		"smaller":          {printOf(t, "image", []int{20, 31}, "uint8", bytesOf(picture(1, 20, 31), plain)), 25, 0},
		"darker and flat":  {printOf(t, "image", []int{64, 64}, "uint8", bytesOf(picture(1, 64, 64), func(v float64) float64 { return v/5 + 60 })), 5, 0},
		"noisy":            {printOf(t, "image", []int{64, 64}, "uint8", bytesOf(picture(1, 64, 64), func(v float64) float64 { return v/2 + 128 + 3*r.NormFloat64() })), 25, 1},
		"another":          {printOf(t, "image", []int{64, 64}, "uint8", bytesOf(picture(2, 64, 64), plain)), 2000, 300},
		"a signal":         {printOf(t, "signal", []int{64, 64}, "uint8", grey), 2000, 2000},
	} {
		if d := p.Distance(c.print); d > c.atMost || d < c.atLeast {
			t.Errorf("%s: %d, want %d to %d", name, d, c.atLeast, c.atMost)
		}
	}
}

// Slices count by their place.
func TestVolume(t *testing.T) {
	a, b := bytesOf(picture(1, 32, 32), plain), bytesOf(picture(2, 32, 32), plain)
	volume := func(slices ...[]byte) *fingerprint.Print {
		var m fingerprint.Maker
		for _, s := range slices {
			m.Add("image", []int{32, 32}, "uint8", s)
		}
		p, _ := m.Print()
		return &p
	}
	both := printOf(t, "image", []int{5, 32, 32}, "uint8", slices.Concat(a, b, a, b, b))
	if d := both.Distance(volume(a, b, a, b, b)); d != 0 {
		t.Errorf("one array and five media: %d", d)
	}
	if d := both.Distance(volume(b, a, a, b, b)); d < 200 {
		t.Errorf("slices in another order: %d", d)
	}
}

// recording is channels of a few sines and spikes.
func recording(seed uint64, channels, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	var out []float64
	for range channels {
		f, g := 1+20*r.Float64(), 1+20*r.Float64()
		for i := range n {
			at := float64(i) / float64(n)
			out = append(out, math.Sin(2*math.Pi*f*at)+0.5*math.Sin(2*math.Pi*g*at+1)+5)
		}
	}
	return out
}

func TestSignal(t *testing.T) {
	shape := []int{4, 2000}
	x := recording(1, 4, 2000)
	p := printOf(t, "signal", shape, "float32", floatsOf(x))
	change := func(f func(float64) float64) *fingerprint.Print {
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = f(v)
		}
		return printOf(t, "signal", shape, "float32", floatsOf(y))
	}
	r := rand.New(rand.NewPCG(5, 5))
	for name, c := range map[string]struct {
		print           *fingerprint.Print
		atMost, atLeast int
	}{
		"gain and offset": {change(func(v float64) float64 { return 3*v - 9 }), 0, 0},
		"noise":           {change(func(v float64) float64 { return v + 0.2*r.NormFloat64() }), 50, 1},
		"half the rate":   {printOf(t, "signal", []int{4, 1000}, "float32", floatsOf(recording(1, 4, 1000))), 10, 0},
		"upside down":     {change(func(v float64) float64 { return -v }), 2000, 1990},
		"another":         {printOf(t, "signal", shape, "float32", floatsOf(recording(2, 4, 2000))), 2000, 500},
	} {
		if d := p.Distance(c.print); d > c.atMost || d < c.atLeast {
			t.Errorf("%s: %d, want %d to %d", name, d, c.atLeast, c.atMost)
		}
	}
}

func TestNothingToTell(t *testing.T) {
	for name, c := range map[string]struct {
		kind  string
		shape []int
		dtype string
		npy   []byte
	}{
		"flat":             {"image", []int{16, 16}, "uint8", make([]byte, 256)},
		"tiny":             {"image", []int{2, 2}, "uint8", []byte{1, 2, 3, 4}},
		"table":            {"table", []int{100}, "uint8", make([]byte, 100)},
		"cut":              {"image", []int{100, 100}, "uint8", []byte{1, 2, 3}},
		"unknown type":     {"image", []int{8, 8}, "float64", make([]byte, 512)},
		"negative":         {"image", []int{-8, -8}, "uint8", make([]byte, 64)},
		"too many":         {"image", []int{1 << 30, 1 << 30, 1 << 30}, "uint8", nil},
		"no shape":         {"signal", nil, "uint8", []byte{1}},
		"one row":          {"image", []int{100}, "uint8", []byte(strings.Repeat("ab", 50))},
		"no number":        {"signal", []int{100}, "float32", []byte(strings.Repeat("\xff", 400))},
		"without elements": {"signal", []int{0, 100}, "float32", nil},
	} {
		var m fingerprint.Maker
		m.Add(c.kind, c.shape, c.dtype, c.npy)
		if p, ok := m.Print(); ok {
			t.Errorf("%s has a fingerprint: %v", name, p)
		}
	}
}

func FuzzMaker(f *testing.F) {
	f.Add("image", 8, 8, 3, "uint8", make([]byte, 192))
	f.Add("signal", 2, 50, 1, "float32", []byte(strings.Repeat("\x00\x00\x80\x7f", 100)))
	f.Fuzz(func(t *testing.T, kind string, a, b, c int, dtype string, npy []byte) {
		for _, shape := range [][]int{{a}, {a, b}, {a, b, c}, {a, b, c, 2}} {
			var m fingerprint.Maker
			m.Add(kind, shape, dtype, npy)
			p, ok := m.Print()
			if ok && p.Distance(&p) != 0 {
				t.Errorf("%v is at %d from itself", p, p.Distance(&p))
			}
		}
	})
}

// A change of these bytes changes every curated dataset: raise the version of every curate plugin with it.
func TestGolden(t *testing.T) {
	for want, p := range map[string]*fingerprint.Print{
		"i4a199f48ad2d7f9c867ffbd24f1193cf2c2f10d48037dd2954ea6dfb43853f86": printOf(t, "image", []int{40, 50}, "uint8", bytesOf(picture(3, 40, 50), plain)),
		"sda75a819942a3a2f67a436df072c40210bbf17edfaa92478015b6fea38660169": printOf(t, "signal", []int{4, 2000}, "float32", floatsOf(recording(3, 4, 2000))),
	} {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text[1:2]) + digest.FromBytes(text).Encoded(); got != want {
			t.Errorf("fingerprint is %s, want %s", got, want)
		}
		var back fingerprint.Print
		if err := json.Unmarshal(text, &back); err != nil || back != *p {
			t.Errorf("read again: %v, %v", back, err)
		}
	}
}

// Bytes are summed in another way than other numbers, and give the same.
func TestBytesAsNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, shape := range [][]int{{224, 224}, {8, 8}, {5, 13}, {17, 300}, {16, 4}, {31, 33, 3}, {3, 40, 21}, {7, 20, 50}, {2, 4, 9, 31}, {2, 64, 48, 1}} {
		n := 1
		for _, s := range shape {
			n *= s
		}
		small, large := make([]byte, n), make([]byte, 4*n)
		for i := range small {
			small[i] = byte(r.IntN(256) >> (i % 3))
			large[4*i] = small[i]
		}
		got, want := printOf(t, "image", shape, "uint8", small), printOf(t, "image", shape, "int32", large)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", shape, diff)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	for _, text := range []string{`""`, `"x"`, `"i"`, `"iAAAA"`, `"i` + strings.Repeat("A", 344) + `"`, `"iA*=="`} {
		var p fingerprint.Print
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// around gives prints at growing distances from one another: clusters of five, and as many that stand alone.
func clusters(n int) []*fingerprint.Print {
	r := rand.New(rand.NewPCG(1, 7))
	var out []*fingerprint.Print
	random := func() *fingerprint.Print {
		p := &fingerprint.Print{Kind: fingerprint.Image}
		for i := range p.Cells {
			p.Cells[i] = int8(min(max(32*r.NormFloat64(), -120), 120))
		}
		return p
	}
	for range n {
		first := random()
		out = append(out, first, random(), random())
		for range 2 {
			p := *first
			for i := range p.Cells {
				p.Cells[i] += int8(r.IntN(9) - 4)
			}
			out = append(out, &p)
		}
	}
	return out
}

// TestSearch compares what the index finds with what a look at every pair does.
func TestSearch(t *testing.T) {
	prints := clusters(300)
	type pair struct{ x, y int }
	truth := map[pair]int{}
	for i, p := range prints {
		for j := range i {
			if d := p.Distance(prints[j]); d <= p.Kind.Within() {
				truth[pair{j, i}] = d
			}
		}
	}
	if len(truth) != 900 {
		t.Fatalf("%d near pairs, want 3 of each of 300 clusters", len(truth))
	}
	ix := fingerprint.NewIndex(prints)
	groups := ix.Groups()
	if len(groups) != 300 {
		t.Fatalf("%d groups", len(groups))
	}
	for n, g := range groups {
		if diff := cmp.Diff([]int{5 * n, 5*n + 3, 5*n + 4}, g.Members); diff != "" {
			t.Fatal(diff)
		}
		if g.Distance < 1 || g.Distance > fingerprint.Image.Within() {
			t.Fatalf("distance %d", g.Distance)
		}
	}
	at, d := ix.Nearest(prints[3])
	if at != 3 || d != 0 {
		t.Errorf("nearest to 3 is %d at %d", at, d)
	}
	alone := *prints[1]
	alone.Kind = fingerprint.Signal
	if at, _ := ix.Nearest(&alone); at != -1 {
		t.Errorf("nearest to another kind is %d", at)
	}
}

// TestRecall: of pairs at the very edge of what counts as near, nearly all are found.
func TestRecall(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for _, kind := range []fingerprint.Kind{fingerprint.Image, fingerprint.Signal} {
		found, pairs := 0, 1000
		var firsts, seconds []*fingerprint.Print
		for len(firsts) < pairs {
			noise := 32 * math.Sqrt(2*float64(kind.Within())/1000)
			p, q := &fingerprint.Print{Kind: kind}, &fingerprint.Print{Kind: kind}
			for i := range p.Cells {
				v := 28 * r.NormFloat64()
				p.Cells[i] = int8(min(max(v, -127), 127))
				q.Cells[i] = int8(min(max(v+noise*r.NormFloat64()*0.85, -127), 127))
			}
			if d := p.Distance(q); d <= kind.Within() && d > kind.Within()*9/10 {
				firsts, seconds = append(firsts, p), append(seconds, q)
			}
		}
		ix := fingerprint.NewIndex(firsts)
		for i, q := range seconds {
			if at, _ := ix.Nearest(q); at == i {
				found++
			}
		}
		if want := map[fingerprint.Kind]int{fingerprint.Image: 995, fingerprint.Signal: 950}[kind]; found < want {
			t.Errorf("%s: %d of %d pairs at 9/10 of the distance are found, want %d", kind, found, pairs, want)
		}
	}
}

// TestFlood: many of the same, and many that are nearly so, cost no square.
func TestFlood(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var prints []*fingerprint.Print
	for i := range 20000 {
		p := &fingerprint.Print{Kind: fingerprint.Image}
		for k := range p.Cells {
			p.Cells[k] = int8(k%64 - 32)
		}
		for range i % 4 * 3 {
			p.Cells[r.IntN(256)]++
		}
		prints = append(prints, p)
	}
	groups := fingerprint.NewIndex(prints).Groups()
	if len(groups) != 1 || len(groups[0].Members) != len(prints) {
		t.Errorf("%d groups", len(groups))
	}
}

func BenchmarkGroups(b *testing.B) {
	prints := clusters(20000)
	for b.Loop() {
		fingerprint.NewIndex(prints).Groups()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(prints)), "ns/sample")
}

func BenchmarkImage(b *testing.B) {
	npy := bytesOf(picture(1, 224, 224), plain)
	b.SetBytes(int64(len(npy)))
	for b.Loop() {
		var m fingerprint.Maker
		m.Add("image", []int{224, 224}, "uint8", npy)
		m.Print()
	}
}

func BenchmarkSignal(b *testing.B) {
	npy := floatsOf(recording(1, 12, 5000))
	b.SetBytes(int64(len(npy)))
	for b.Loop() {
		var m fingerprint.Maker
		m.Add("signal", []int{12, 5000}, "float32", npy)
		m.Print()
	}
}
