package canonical_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// The vectors that RFC 8785's authors publish.
func TestPublishedVectors(t *testing.T) {
	inputs, err := filepath.Glob("testdata/input/*.json")
	if err != nil || len(inputs) != 6 {
		t.Fatalf("%d vectors, %v; want 6", len(inputs), err)
	}
	for _, file := range inputs {
		input := read(t, file)
		want := bytes.TrimSuffix(read(t, "testdata/output/"+filepath.Base(file)), []byte("\n"))
		got, err := canonical.Transform(input)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n got %s\nwant %s", file, err, got, want)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The number vectors of RFC 8785, appendix B.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		bits uint64
		want string
	}{
		{0x0000000000000000, "0"},
		{0x8000000000000000, "0"}, // minus zero
		{0x0000000000000001, "5e-324"},
		{0x8000000000000001, "-5e-324"},
		{0x7fefffffffffffff, "1.7976931348623157e+308"},
		{0xffefffffffffffff, "-1.7976931348623157e+308"},
		{0x4340000000000000, "9007199254740992"},
		{0xc340000000000000, "-9007199254740992"},
		{0x4430000000000000, "295147905179352830000"},
		{0x44b52d02c7e14af5, "9.999999999999997e+22"},
		{0x44b52d02c7e14af6, "1e+23"},
		{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
		{0x444b1ae4d6e2ef4e, "999999999999999700000"},
		{0x444b1ae4d6e2ef4f, "999999999999999900000"},
		{0x444b1ae4d6e2ef50, "1e+21"},
		{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
		{0x3eb0c6f7a0b5ed8d, "0.000001"},
		{0x41b3de4355555553, "333333333.3333332"},
		{0x41b3de4355555554, "333333333.33333325"},
		{0x41b3de4355555555, "333333333.3333333"},
		{0x41b3de4355555556, "333333333.3333334"},
		{0x41b3de4355555557, "333333333.33333343"},
		{0xbecbf647612f3696, "-0.0000033333333333333333"},
		{0x43143ff3c1cb0959, "1424953923781206.2"},
	} {
		got, err := canonical.Marshal(math.Float64frombits(c.bits))
		if err != nil || string(got) != c.want {
			t.Errorf("%016x is %s, %v; want %s", c.bits, got, err, c.want)
		}
		again, err := canonical.Transform(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s becomes %s, %v when it is read again", got, again, err)
		}
	}
	for _, bits := range []uint64{0x7fffffffffffffff, 0x7ff0000000000000, 0xfff0000000000000} {
		if got, err := canonical.Marshal(math.Float64frombits(bits)); err == nil {
			t.Errorf("%016x is %s, want an error", bits, got)
		}
	}
}

// An integer is kept or refused, never another one.
func TestIntegers(t *testing.T) {
	for _, c := range []struct{ in, want string }{ // want "" is a refusal
		{"9007199254740991", "9007199254740991"},
		{"-9007199254740991", "-9007199254740991"},
		{"9007199254740992", "9007199254740992"}, // a power of two: a double holds it
		{"9007199254740993", ""},
		{"-9007199254740993", ""},
		{"18446744073709551615", ""}, // the largest uint64
		{"9223372036854775808", ""},  // a double holds it, and ECMAScript writes 9223372036854776000
		{"100000000000000000000", "100000000000000000000"},
		{"1000000000000000000000", "1e+21"},
		{"1" + strings.Repeat("0", 400), ""},
		{"-0", "0"},
	} {
		got, err := canonical.Transform([]byte(c.in))
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%.30s is %q, %v; want %q", c.in, got, err, c.want)
		}
		if c.want == "" && !errors.Is(err, canonical.ErrWideInteger) {
			t.Errorf("%.30s: error %v is not ErrWideInteger", c.in, err)
		}
	}
	if _, err := canonical.Marshal(struct{ Seed uint64 }{math.MaxUint64}); !errors.Is(err, canonical.ErrWideInteger) {
		t.Errorf("a uint64 of a struct: %v, want ErrWideInteger", err)
	}
}

func TestTransformRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                   "",
		"half":                      `{"a":`,
		"two values":                `{} {}`,
		"junk behind":               `{}x`,
		"a comma too many":          `[1,]`,
		"NaN":                       `NaN`,
		"infinity":                  `[Infinity]`,
		"leading zero":              `01`,
		"number out of range":       `1e400`,
		"duplicate member":          `{"a":1,"a":1}`,
		"duplicate, escaped":        `{"a":1,"\u0061":2}`,
		"duplicate, deep":           `[{"x":{"a":1,"b":2,"a":3}}]`,
		"invalid UTF-8":             "\"\xff\"",
		"UTF-8, too long":           "\"\xc0\x80\"",
		"UTF-8 of a surrogate":      "\"\xed\xa0\x80\"",
		"lone high surrogate":       `"\ud800"`,
		"lone low surrogate":        `"\udc00"`,
		"surrogates, wrong order":   `"\udc00\ud800"`,
		"high surrogate and letter": `"\ud800x"`,
		"raw control character":     "\"\x01\"",
		"unknown escape":            `"\x"`,
		"a pair without backslash":  `"\ud800udc00"`,
		"a pair cut off":            `"\ud83d\u"`,
		"nested too deep":           strings.Repeat("[", 1002) + strings.Repeat("]", 1002),
		"deep":                      strings.Repeat("[", 20_000) + strings.Repeat("]", 1<<20),
		"deep and open":             strings.Repeat(`{"a":`, 20_000),
	} {
		if got, err := canonical.Transform([]byte(text)); err == nil {
			t.Errorf("%s: %.40q, want an error", name, got)
		} else if !strings.HasPrefix(err.Error(), "canonical: ") {
			t.Errorf("%s: error %q does not say where it comes from", name, err)
		}
	}
}

// encoding/json would write both texts as the replacement character, and two values had one digest.
func TestMarshalRefusesInvalidText(t *testing.T) {
	for _, v := range []any{"\xff", []string{"ok", "a\xfe"}, map[string]int{"\xc0\x80": 1}, struct{ A any }{"\xed\xa0\x80"}, "\\\xff"} {
		if got, err := canonical.Marshal(v); !errors.Is(err, canonical.ErrInvalidText) {
			t.Errorf("%+q gives %q, %v; want ErrInvalidText", v, got, err)
		}
	}
	for _, v := range []any{"\ufffd", `\ufffd`, `\\ufffd`, json.RawMessage(`"\\ufffd"`)} {
		if _, err := canonical.Marshal(v); err != nil {
			t.Errorf("%+q: %v", v, err)
		}
	}
	if _, err := canonical.Marshal(make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
}

func TestMarshalOfWhatMeansTheSame(t *testing.T) {
	type pair struct {
		B string  `json:"b"`
		A float64 `json:"a"`
	}
	want := `{"a":1,"b":"<&>\u0000"}`
	for _, v := range []any{
		pair{B: "<&>\x00", A: 1},
		map[string]any{"b": "<&>\x00", "a": 1},
		json.RawMessage(` { "b" : "\u003c\u0026>\u0000", "a": 1.0e0 } `),
	} {
		got, err := canonical.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("%#v gives %s, %v; want %s", v, got, err, want)
		}
	}
}

func TestDigest(t *testing.T) {
	got, err := canonical.Digest(map[string]int{"b": 2, "a": 1}) // printf '{"a":1,"b":2}' | sha256sum
	if want := "sha256:43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"; err != nil || got.String() != want {
		t.Errorf("digest is %s, %v; want %s", got, err, want)
	}
	if d, err := canonical.Digest(math.NaN()); err == nil {
		t.Errorf("NaN has digest %s", d)
	}
}

func TestIsSHA256(t *testing.T) {
	sum := digest.FromString("x")
	for _, d := range []digest.Digest{sum, digest.Digest("sha512:" + strings.Repeat("0", 128)), "", "sha256:", sum + "0", sum[:len(sum)-1], sum[:len(sum)-1] + "g",
		digest.Digest(strings.ToUpper(string(sum))), digest.Digest("sha256:" + strings.ToUpper(sum.Encoded())), "sha256+b64:" + sum[7:], digest.Digest(sum.Encoded())} {
		if got, want := canonical.IsSHA256(d), d.Validate() == nil && d.Algorithm() == digest.SHA256; got != want {
			t.Errorf("%q: %v, want %v", d, got, want)
		}
	}
}

// anyJSON draws a JSON value.
func anyJSON(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(), rapid.Just(any(nil)),
		rapid.Int64Range(-1<<53+1, 1<<53-1).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	inner := anyJSON(depth - 1)
	return rapid.OneOf(append(scalars, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())...)
}

// Canonical bytes are their own canonical bytes, and mean what was encoded.
func TestCanonicalOnceIsCanonicalTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyJSON(3).Draw(t, "value")
		once, err := canonical.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := canonical.Transform(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s becomes %s, %v", once, twice, err)
		}
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decode(t, plain), decode(t, once)); diff != "" {
			t.Fatalf("the meaning changed:\n%s", diff)
		}
	})
}

func decode(t *rapid.T, text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// FuzzOracle: what is accepted is written as jcs writes it, and what is refused jcs refuses, but for integers, which it
// rounds, and depth.
func FuzzOracle(f *testing.F) {
	for _, s := range []string{
		`{"b":1,"a":{"d":[1,-2,true,null],"c":"x"}}`, `{"\u00e9":1,"a!":1,"a":2,"a b":3,"A":[]}`, `[{},[[]] , 0.3,-0.0,1E2]`,
		`{"\ue000":1,"\ud83d\ude02":2,"\uffff":3,"z":4}`, "{\"\ue000\":1,\"\U0001f602\":{}}", `{"a\"":1,"a":2,"a\u0000":3}`,
		`"\u003c\b\f\n\r\t\/\\\"\u001f"`, "\"\u2028\x7f\"", `"\ud800udc00"`, `"\udc00"`, "\"\xff\"", ` {"a" : 1 , "a" : 2 } `,
		`1234567890123456`, `9007199254740993`, `1e400`, `-1e-7`, `123456789.0e13`, `nul`, `01`, `[1,]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := canonical.Transform(text)
		want, bad := jcs.Transform(text)
		switch {
		case err == nil && (bad != nil || !bytes.Equal(got, want)):
			t.Errorf("%q: %q, jcs has %q, %v", text, got, want, bad)
		case err != nil && bad == nil && !errors.Is(err, canonical.ErrWideInteger) && !strings.Contains(err.Error(), "deeper"):
			t.Errorf("%q: %v, jcs has %q", text, err, want)
		}
	})
}

// What is accepted is valid JSON, and its canonical bytes mean the same and stay as they are.
func FuzzTransform(f *testing.F) {
	for _, s := range []string{`{}`, `[1,2.50,1e30,-0]`, `{"b":"\ud83d\ude02","a":{"":null}}`, `9007199254740993`, `100000000000000000000`, `"\ud800"`, "\"\xff\"", `{"a":1,"a":2}`, "[[[[", "1e-400", `"\/\u0000\ufffd"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := canonical.Transform(text)
		if err != nil {
			return
		}
		var was, is any
		if err := json.Unmarshal(text, &was); err != nil {
			t.Fatalf("accepted %q: %v", text, err)
		}
		if err := json.Unmarshal(once, &is); err != nil || !cmp.Equal(was, is) {
			t.Fatalf("%q became %q, %v", text, once, err)
		}
		twice, err := canonical.Transform(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q becomes %q, %v", once, twice, err)
		}
	})
}
