package lock

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// ErrTampered says that the text is not what Marshal wrote.
var ErrTampered = errors.New("lock was edited; take it from version control again, or remove it and let `cairn run` write another")

// Parse reads a lock. A text that Marshal could not have written is an error that names the line. With
// ErrTampered comes the lock that the text claims to be.
func Parse(file string, text []byte) (*Lock, error) {
	p := &parser{file: file, rest: string(text), seen: map[string]bool{}}
	l := p.lock()
	if p.err != nil {
		return nil, p.err
	}
	if want := l.Marshal(); !bytes.Equal(want, text) {
		return l, fmt.Errorf("%s:%d: %w", file, firstDifference(want, text), ErrTampered)
	}
	return l, nil
}

// Benchmark is the name of the benchmark that the head of a lock is about. What is behind it is not read.
func Benchmark(text []byte) (string, error) {
	p := &parser{rest: string(text)}
	name := p.benchmark()
	return name, p.err
}

func firstDifference(a, b []byte) int {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(x), len(y)) {
		if !bytes.Equal(x[i], y[i]) {
			return i + 1
		}
	}
	return min(len(x), len(y))
}

// parser reads line by line and keeps the first error.
type parser struct {
	file string
	rest string
	n    int // of the line, from 1
	line string
	seen map[string]bool // results
	err  error
}

// next goes to the next line; behind the last one the line is empty.
func (p *parser) next() bool {
	if p.err != nil || p.rest == "" {
		p.line = ""
		return false
	}
	p.n++
	p.line, p.rest, _ = strings.Cut(p.rest, "\n")
	return true
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s:%d: %s", p.file, max(p.n, 1), fmt.Sprintf(format, args...))
	}
}

func (p *parser) benchmark() string {
	for want := range strings.Lines(head) {
		want = strings.TrimSuffix(want, "\n")
		if !p.next() || p.line != want {
			p.fail("this is not a lock of this version: want %q", want)
		}
	}
	return p.whole(p.value("benchmark"))
}

func (p *parser) lock() *Lock {
	l := &Lock{Benchmark: p.benchmark()}
	l.Manifest = p.digest(p.value("manifest"))
	l.Plan = p.digest(p.value("plan"))
	p.value("steps")
	for p.next() && p.line != "results:" && p.line != "claims:" {
		p.step(l)
	}
	if p.line == "claims:" {
		for p.next() && p.line != "results:" {
			p.claim(l)
		}
	}
	if p.line != "results:" {
		p.fail("the file ends early: results are missing")
	}
	for p.next() && !strings.HasPrefix(p.line, "digest: ") {
		p.result(l)
	}
	if p.line == "" {
		p.fail("the file ends early: the digest is missing")
	}
	return l
}

func (p *parser) value(key string) string {
	p.next()
	v, ok := strings.CutPrefix(p.line, key+":")
	if !ok {
		p.fail("want the key %q", key)
	}
	return strings.TrimPrefix(v, " ")
}

func (p *parser) step(l *Lock) {
	name, rest := p.word(strings.TrimPrefix(p.line, "  "))
	rest, ok := strings.CutPrefix(rest, ": ")
	if !ok {
		p.fail("want a step")
		return
	}
	f := p.fields(rest, stepKeys)
	if n := len(l.Steps); n > 0 && l.Steps[n-1].Name >= name {
		p.fail("step %s is there twice or out of order", word(name))
	}
	s := Step{Name: name, Plugin: f[0], Action: p.digest(f[1]), Artifact: p.digest(f[2]), Rerun: tolerance.Bounds{Compare: f[3], Absolute: p.some(f[4]), Relative: p.some(f[5])}}
	if err := s.Rerun.Check(); err != nil && !s.Rerun.None() {
		p.fail("step %s: %v", word(name), err)
	}
	l.Steps = append(l.Steps, s)
}

func (p *parser) claim(l *Lock) {
	f := p.fields(strings.TrimPrefix(p.line, "  - "), claimKeys)
	value, tolerance := p.number(f[4]), p.number(f[5])
	if value == nil || tolerance == nil {
		p.fail("a claim has a value and a tolerance, both numbers")
		return
	}
	c := manifests.Claim{Evaluation: f[0], Model: f[1], Dataset: f[2], Metric: f[3], Value: *value, Tolerance: *tolerance, Rule: f[6], Level: p.some(f[7]), Source: f[8]}
	if err := c.Check(); err != nil {
		p.fail("%v", err)
	}
	if slices.Contains(l.Claims, c) {
		p.fail("this claim is there twice")
	}
	l.Claims = append(l.Claims, c)
}

func (p *parser) result(l *Lock) {
	f := p.fields(strings.TrimPrefix(p.line, "  - "), resultKeys)
	r := Result{Evaluation: f[0], Model: f[1], Dataset: f[2], Metric: f[3], Value: p.number(f[4]), Low: p.number(f[5]), High: p.number(f[6])}
	name := r.key() + "\x00" + r.Metric
	if n := len(l.Results); p.seen[name] || n > 0 && l.Results[n-1].key() > r.key() {
		p.fail("result %s is there twice or out of order", word(strings.ReplaceAll(name, "\x00", "/")))
	}
	p.seen[name] = true
	l.Results = append(l.Results, r)
}

// fields reads "{key: value, key: value}" with exactly those keys. One that ends in ? may be missing, which gives "".
func (p *parser) fields(s string, keys []string) []string {
	out := make([]string, len(keys))
	before := "{"
	for i, k := range keys {
		k, optional := strings.CutSuffix(k, "?")
		rest, ok := strings.CutPrefix(s, before+k+": ")
		if !ok && optional {
			continue
		}
		if !ok {
			needed := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return strings.HasSuffix(k, "?") })
			p.fail("want {%s}", strings.Join(needed, ": ..., ")+": ...")
			return out
		}
		out[i], s = p.word(rest)
		before = ", "
	}
	if s != "}" {
		p.fail("want } at the end of the line, have %q", s)
	}
	return out
}

// word reads a name, a digest or a number at the start of s, in quotes or up to the next delimiter.
func (p *parser) word(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := len(s)
		for _, delimiter := range []string{", ", "}", ": "} {
			if i := strings.Index(s[:end], delimiter); i >= 0 {
				end = i
			}
		}
		return s[:end], s[end:]
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err == nil {
		value, err = strconv.Unquote(quoted)
	}
	if err != nil {
		p.fail("a quote is not closed, or there is a wrong escape in it")
	}
	return value, s[len(quoted):]
}

// whole reads a word that is the rest of its line.
func (p *parser) whole(s string) string {
	value, rest := p.word(s)
	if rest != "" {
		p.fail("want nothing behind %s, have %q", word(value), rest)
	}
	return value
}

func (p *parser) digest(s string) digest.Digest {
	d := digest.Digest(s)
	if !canonical.IsSHA256(d) && d.Validate() != nil {
		p.fail("%q is not a digest", s)
	}
	return d
}

// some reads a number that may be missing, which is 0.
func (p *parser) some(s string) float64 {
	if s == "" {
		return 0
	}
	v := p.number(s)
	if v == nil {
		p.fail("%q is not a number", s)
		return 0
	}
	return *v
}

func (p *parser) number(s string) *float64 {
	if s == null {
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		p.fail("%q is not a finite number", s)
	}
	return &v
}
