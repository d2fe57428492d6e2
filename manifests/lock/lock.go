// Package lock reads and writes benchmark.lock, the file beside a manifest that pins what every step gave.
//
// It holds no clock, host or path: two rebuilds of one manifest with exact plugins give the same file, byte
// for byte. It is YAML of one fixed form, an entry a line, made for review in git: Parse accepts exactly what
// Marshal writes. The last line is the digest of all lines above it. It finds an edit by accident; an edit on
// purpose is found by comparing every entry with the store (package verify).
package lock

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Lock is what a run gave.
type Lock struct {
	Benchmark string
	Manifest  digest.Digest // digest of the manifest's meaning
	Plan      digest.Digest
	Steps     []Step   // sorted by name
	Results   []Result // sorted by evaluation, model, dataset; metrics in the order of the evaluation
}

// Step is what one step gave.
type Step struct {
	Name     string
	Plugin   string // kind/name@version
	Action   digest.Digest
	Artifact digest.Digest
}

// Result is one number. Empty values are undefined.
type Result struct {
	Evaluation, Model, Dataset, Metric string
	Value, Low, High                   *float64
}

// ErrTampered says that the text is not what Marshal wrote.
var ErrTampered = errors.New("lock was edited")

const (
	head = "# Written by cairn. Do not edit: `cairn run` writes it, `cairn verify` checks it.\napiVersion: cairn/v1\nkind: BenchmarkLock\n"
	null = "null"
)

// Marshal returns the text of the lock.
func (l *Lock) Marshal() []byte {
	var b bytes.Buffer
	b.WriteString(head)
	fmt.Fprintf(&b, "benchmark: %s\nmanifest: %s\nplan: %s\nsteps:\n", l.Benchmark, l.Manifest, l.Plan)
	steps := slices.Clone(l.Steps)
	slices.SortFunc(steps, func(x, y Step) int { return strings.Compare(x.Name, y.Name) })
	for _, s := range steps {
		fmt.Fprintf(&b, "  %s: {plugin: %s, action: %s, artifact: %s}\n", s.Name, s.Plugin, s.Action, s.Artifact)
	}
	b.WriteString("results:\n")
	results := slices.Clone(l.Results)
	slices.SortStableFunc(results, func(x, y Result) int { return strings.Compare(x.key(), y.key()) })
	for _, r := range results {
		fmt.Fprintf(&b, "  - {evaluation: %s, model: %s, dataset: %s, metric: %s, value: %s, low: %s, high: %s}\n",
			r.Evaluation, r.Model, r.Dataset, r.Metric, number(r.Value), number(r.Low), number(r.High))
	}
	fmt.Fprintf(&b, "digest: %s\n", digest.FromBytes(b.Bytes()))
	return b.Bytes()
}

func (r Result) key() string { return r.Evaluation + "\x00" + r.Model + "\x00" + r.Dataset }

func number(v *float64) string {
	if v == nil {
		return null
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// Parse reads a lock. A text that Marshal could not have written is an error that names the line.
func Parse(file string, text []byte) (*Lock, error) {
	p := &parser{file: file, scan: bufio.NewScanner(bytes.NewReader(text))}
	p.scan.Buffer(nil, 1<<20)
	l := p.lock()
	if p.err != nil {
		return nil, p.err
	}
	if want := l.Marshal(); !bytes.Equal(want, text) {
		return l, fmt.Errorf("%s:%d: %w", file, firstDifference(want, text), ErrTampered)
	}
	return l, nil
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
	scan *bufio.Scanner
	n    int
	line string
	err  error
}

func (p *parser) next() bool {
	if p.err != nil || !p.scan.Scan() {
		return false
	}
	p.n, p.line = p.n+1, p.scan.Text()
	return true
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s:%d: %s", p.file, p.n, fmt.Sprintf(format, args...))
	}
}

func (p *parser) lock() *Lock {
	l := &Lock{}
	for _, want := range strings.Split(strings.TrimSuffix(head, "\n"), "\n") {
		if !p.next() || p.line != want {
			p.fail("this is not a lock of this version: want %q", want)
			return l
		}
	}
	l.Benchmark = p.value("benchmark")
	l.Manifest = p.digest(p.value("manifest"))
	l.Plan = p.digest(p.value("plan"))
	p.value("steps")
	for p.next() && p.line != "results:" {
		l.Steps = append(l.Steps, p.step())
	}
	if p.line != "results:" {
		p.fail("the file ends early: results are missing")
	}
	for p.next() && !strings.HasPrefix(p.line, "digest: ") {
		l.Results = append(l.Results, p.result())
	}
	if !strings.HasPrefix(p.line, "digest: ") {
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
	return strings.TrimSpace(v)
}

func (p *parser) digest(s string) digest.Digest {
	d, err := digest.Parse(s)
	if err != nil {
		p.fail("%q is not a digest", s)
	}
	return d
}

// fields reads "{key: value, key: value}" with exactly those keys.
func (p *parser) fields(s string, keys ...string) []string {
	s, ok := strings.CutPrefix(strings.TrimSpace(s), "{")
	s, ok2 := strings.CutSuffix(s, "}")
	parts := strings.Split(s, ", ")
	out := make([]string, len(keys))
	if !ok || !ok2 || len(parts) != len(keys) {
		p.fail("want {%s}", strings.Join(keys, ": ..., ")+": ...")
		return out
	}
	for i, k := range keys {
		if out[i], ok = strings.CutPrefix(parts[i], k+": "); !ok {
			p.fail("want the key %q", k)
		}
	}
	return out
}

func (p *parser) step() Step {
	name, rest, ok := strings.Cut(strings.TrimPrefix(p.line, "  "), ": ")
	if !ok {
		p.fail("want a step")
		return Step{}
	}
	f := p.fields(rest, "plugin", "action", "artifact")
	return Step{Name: name, Plugin: f[0], Action: p.digest(f[1]), Artifact: p.digest(f[2])}
}

func (p *parser) result() Result {
	f := p.fields(strings.TrimPrefix(p.line, "  - "), "evaluation", "model", "dataset", "metric", "value", "low", "high")
	return Result{Evaluation: f[0], Model: f[1], Dataset: f[2], Metric: f[3], Value: p.number(f[4]), Low: p.number(f[5]), High: p.number(f[6])}
}

func (p *parser) number(s string) *float64 {
	if s == null {
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		p.fail("%q is not a number", s)
	}
	return &v
}

// Find returns the step of that name.
func (l *Lock) Find(name string) (Step, bool) {
	for _, s := range l.Steps {
		if s.Name == name {
			return s, true
		}
	}
	return Step{}, false
}
