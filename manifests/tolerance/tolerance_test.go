package tolerance_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// side is an artifact in memory.
func side(files map[string]string) tolerance.Side {
	s := tolerance.Side{Open: func(path string) (io.ReadCloser, error) {
		text, ok := files[path]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		s.Files = append(s.Files, artifact.File{Path: p, Size: int64(len(files[p])), Digest: digest.FromString(files[p])})
	}
	return s
}

// weights is a safetensors file of one tensor of a type.
func weights(dtype string, shape []int, data any) string {
	var body bytes.Buffer
	if err := binary.Write(&body, binary.LittleEndian, data); err != nil {
		panic(err)
	}
	head, err := json.Marshal(map[string]any{"w": map[string]any{"dtype": dtype, "shape": shape, "data_offsets": []int{0, body.Len()}}})
	if err != nil {
		panic(err)
	}
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(head)))) + string(head) + body.String()
}

func model(w string) map[string]string {
	return map[string]string{"model.json": "{}", "curve.json": "1", "README.md": "a", "model.safetensors": w}
}

var nan, inf = float32(math.NaN()), float32(math.Inf(1))

func TestTensors(t *testing.T) {
	matrix := func(v ...float32) string { return weights("F32", []int{len(v) / 2, 2}, v) }
	with := func(path, text string) map[string]string {
		m := model(matrix(1, 2, 3, 4))
		m[path] = text
		return m
	}
	less := model(matrix(1, 2, 3, 4))
	delete(less, "curve.json")
	long := make([]float32, 1<<17)
	far := slices.Clone(long)
	far[70001] = 1
	for name, c := range map[string]struct {
		was, is map[string]string
		within  bool
		says    string
	}{
		"the same":           {model(matrix(1, 2)), model(matrix(1, 2)), true, "every number is what it was"},
		"absolute":           {model(matrix(0, 2)), model(matrix(0.0625, 2)), true, "1 of 2 numbers are not what they were, by at most 0.0625"},
		"beyond absolute":    {model(matrix(0, 2)), model(matrix(0.125, 2)), false, `"model.safetensors": tensor "w" at [0 0]: it was 0 and is 0.125: 0.125 apart, more than 0.0625`},
		"relative":           {model(matrix(1, 2, 3, -100)), model(matrix(1, 2, 3, -101)), true, "1 of 4 numbers are not what they were, by at most 1"},
		"beyond relative":    {model(matrix(1, 2, 3, -100)), model(matrix(1, 2, 3, -102)), false, `tensor "w" at [1 1]: it was -100 and is -102: 2 apart, more than 1.062`},
		"NaN":                {model(matrix(nan, 2)), model(matrix(nan, 2.0625)), true, "1 of 2 numbers"},
		"a number was NaN":   {model(matrix(nan, 2)), model(matrix(1, 2)), false, "it was NaN and is 1"},
		"a NaN was a number": {model(matrix(1, 2)), model(matrix(nan, 2)), false, "it was 1 and is NaN"},
		"infinity":           {model(matrix(inf, 2)), model(matrix(1, 2)), false, "it was +Inf and is 1"},
		"other infinity":     {model(matrix(inf, 2)), model(matrix(-inf, 2)), false, "it was +Inf and is -Inf"},
		"zeros":              {model(matrix(0, 2)), model(matrix(float32(math.Copysign(0, -1)), 2)), true, "every number is what it was"},
		"in a later chunk":   {model(weights("F32", []int{2, 1 << 16}, long)), model(weights("F32", []int{2, 1 << 16}, far)), false, `at [1 4465]: it was 0 and is 1`},
		"doubles":            {model(weights("F64", []int{1}, []float64{1})), model(weights("F64", []int{1}, []float64{1.5})), false, "it was 1 and is 1.5"},
		"halves":             {model(weights("F16", []int{2}, []uint16{0x3c00, 1})), model(weights("F16", []int{2}, []uint16{0x3c01, 0x8001})), true, "2 of 2 numbers are not what they were, by at most 0.0009766"},
		"halves, too far":    {model(weights("F16", []int{1}, []uint16{0x3c00})), model(weights("F16", []int{1}, []uint16{0xc000})), false, "it was 1 and is -2"},
		"half an infinity":   {model(weights("F16", []int{1}, []uint16{0x3c00})), model(weights("F16", []int{1}, []uint16{0xfc00})), false, "it was 1 and is -Inf"},
		"brain halves":       {model(weights("BF16", []int{1}, []uint16{0x3f80})), model(weights("BF16", []int{1}, []uint16{0x4000})), false, "it was 1 and is 2"},
		"integers":           {model(weights("I32", []int{1}, []int32{1})), model(weights("I32", []int{1}, []int32{2})), false, "its bytes were 01000000 and are 02000000"},
		"another type":       {model(weights("F32", []int{1}, []float32{1})), model(weights("I32", []int{1}, []float32{1})), false, `tensor "w" was F32 [1] and is I32 [1]`},
		"another shape":      {model(matrix(1, 2)), model(weights("F32", []int{2, 1}, []float32{1, 2})), false, `tensor "w" was F32 [1 2] and is F32 [2 1]`},
		"another name":       {model(matrix(1, 2)), model(strings.Replace(matrix(1, 2), `"w"`, `"v"`, 1)), false, `tensor "w" is not there`},
		"cut":                {model(matrix(1, 2)), model(matrix(1, 2)[:60]), false, "the file ends early"},
		"behind the end":     {model(matrix(1, 2)), model(matrix(1, 2) + "x"), false, "there are data behind the last tensor"},
		"no safetensors":     {model(matrix(1, 2)), model("x"), false, "the file ends early"},
		"curve and card":     {model(matrix(1, 2, 3, 4)), map[string]string{"model.json": "{}", "curve.json": "2", "README.md": "b", "model.safetensors": matrix(1, 2, 3, 4)}, true, "every number"},
		"what the model is":  {model(matrix(1, 2, 3, 4)), with("model.json", "[]"), false, `the file "model.json" has other bytes`},
		"a file more":        {model(matrix(1, 2, 3, 4)), with("x.bin", ""), false, `the file "x.bin" is there besides`},
		"a file less":        {model(matrix(1, 2, 3, 4)), less, false, `the file "curve.json" is missing`},
	} {
		b := tolerance.Bounds{Compare: tolerance.Tensors, Absolute: 0.0625, Relative: 0.01}
		got, err := b.Judge(side(c.was), side(c.is))
		if err != nil || got.Within != c.within || !strings.Contains(got.Says, c.says) {
			t.Errorf("%s: %+v, %v; want %t: %s", name, got, err, c.within, c.says)
		}
	}
}

func scored(edit ...string) map[string]string {
	text := `{"schema":"cairn/metrics/v1","dataset":"d","split":"test","samples":9,"metrics":[{"name":"auroc","value":0.9,"low":0.8,"high":1},{"name":"f1","value":null,"low":null,"high":null}],"bootstrap":{"level":0.95}}`
	return map[string]string{"metrics.json": strings.NewReplacer(edit...).Replace(text), "predictions.jsonl": strings.Join(edit, "")}
}

func TestMetrics(t *testing.T) {
	more := scored()
	more["x"] = ""
	for name, c := range map[string]struct {
		is     map[string]string
		within bool
		says   string
	}{
		"the same":            {scored(), true, "no metric is more than 0 from what it was"},
		"near":                {scored("0.9,", "0.90625,"), true, "no metric is more than 0.00625 from what it was"},
		"far":                 {scored("0.9,", "0.92,"), false, `metric "auroc": it was 0.9 and is 0.92: 0.02 apart, more than 0.01`},
		"a far interval":      {scored("0.8", "0.5"), false, `metric "auroc": the lower end of its interval was 0.8 and is 0.5`},
		"undefined now":       {scored("0.9,", "null,"), false, `it was 0.9 and is undefined`},
		"defined now":         {scored(`"f1","value":null`, `"f1","value":0`), false, `metric "f1": it was undefined and is 0`},
		"another metric":      {scored(`"f1"`, `"accuracy"`), false, `metric "f1" is not there`},
		"another split":       {scored(`"test"`, `"train"`), false, "says something else of the dataset, the split"},
		"fewer samples":       {scored(`:9`, `:8`), false, "says something else"},
		"intervals of others": {scored(`0.95`, `0.5`), false, "says something else"},
		"no JSON":             {scored(`{`, ``), false, `"metrics.json": `},
		"a file more":         {more, false, `"x" is there besides`},
	} {
		b := tolerance.Bounds{Compare: tolerance.Metrics, Absolute: 0.01}
		got, err := b.Judge(side(scored()), side(c.is))
		if err != nil || got.Within != c.within || !strings.Contains(got.Says, c.says) {
			t.Errorf("%s: %+v, %v; want %t: %s", name, got, err, c.within, c.says)
		}
	}
	if got := tolerance.FirstMetric(side(scored()), side(scored("0.9,", "0.91,"))); got != `metric "auroc": it was 0.9 and is 0.91` {
		t.Errorf("the first metric: %q", got)
	}
	if got := tolerance.FirstMetric(side(scored()), side(nil)); got != "" {
		t.Errorf("of no evaluation: %q", got)
	}
}

// TestUnreadable: what cannot be compared agrees with nothing and differs from nothing.
func TestUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		bounds  tolerance.Bounds
		was, is map[string]string
	}{
		"no bounds":         {tolerance.Bounds{}, scored(), scored()},
		"no metrics before": {tolerance.Bounds{Compare: tolerance.Metrics, Absolute: 1}, map[string]string{"metrics.json": "x"}, map[string]string{"metrics.json": "{}"}},
		"no tensors before": {tolerance.Bounds{Compare: tolerance.Tensors, Absolute: 1}, model("x"), model(weights("F32", []int{1}, []float32{1}))},
	} {
		if got, err := c.bounds.Judge(side(c.was), side(c.is)); err == nil || got.Within {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		bounds tolerance.Bounds
		kind   catalog.Kind
		class  catalog.Determinism
		want   string
	}{
		"metrics":           {tolerance.Bounds{Compare: "metrics", Absolute: 0.1}, catalog.Evaluate, catalog.Tolerance, ""},
		"tensors":           {tolerance.Bounds{Compare: "tensors", Relative: 0.1}, catalog.Pretrain, catalog.Tolerance, ""},
		"an exact plugin":   {tolerance.Bounds{Compare: "tensors", Relative: 0.1}, catalog.Pretrain, catalog.Exact, "promises exact, so bytes are compared"},
		"of another kind":   {tolerance.Bounds{Compare: "tensors", Relative: 0.1}, catalog.Evaluate, catalog.Tolerance, "want metrics"},
		"of a curation":     {tolerance.Bounds{Compare: "tensors", Relative: 0.1}, catalog.Curate, catalog.Tolerance, "no comparison for what curate gives"},
		"nothing":           {tolerance.Bounds{Compare: "tensors"}, catalog.Pretrain, catalog.Tolerance, "nothing but the same bytes"},
		"negative":          {tolerance.Bounds{Compare: "tensors", Absolute: -1}, catalog.Pretrain, catalog.Tolerance, "not negative"},
		"not a number":      {tolerance.Bounds{Compare: "tensors", Absolute: math.NaN()}, catalog.Pretrain, catalog.Tolerance, "finite"},
		"without end":       {tolerance.Bounds{Compare: "tensors", Absolute: math.Inf(1)}, catalog.Pretrain, catalog.Tolerance, "finite"},
		"relative, metrics": {tolerance.Bounds{Compare: "metrics", Absolute: 1, Relative: 1}, catalog.Evaluate, catalog.Tolerance, "absolute distance alone"},
	} {
		if err := c.bounds.CheckOf(c.kind, c.class); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// What is compared came from a plugin of somebody: no bytes of it end the program, and a file is always close to itself.
func FuzzTensors(f *testing.F) {
	f.Add(weights("F32", []int{2}, []float32{1, nan}), weights("F32", []int{2}, []float32{1.5, nan}))
	f.Add(weights("F16", []int{0}, []uint16{}), "")
	f.Add("\x02\x00\x00\x00\x00\x00\x00\x00{}", weights("BOOL", nil, []uint8{1}))
	b := tolerance.Bounds{Compare: tolerance.Tensors, Absolute: 0.5}
	f.Fuzz(func(t *testing.T, was, is string) {
		if j, err := b.Judge(side(model(was)), side(model(is))); err == nil && j.Says == "" {
			t.Errorf("it says nothing: %+v", j)
		}
		if j, err := b.Judge(side(model(was)), side(model(was))); err != nil || !j.Within {
			t.Errorf("not close to itself: %+v, %v", j, err)
		}
	})
}
