// Package lock reads and writes benchmark.lock, the file beside a manifest that pins what every step gave.
//
// It holds no clock, host or path: two rebuilds of one manifest with exact plugins give the same file, byte
// for byte. It is YAML of one fixed form, an entry a line, made for review in git: Parse accepts exactly what
// Marshal writes. The last line is the digest of all lines above it. It finds an edit by accident; an edit on
// purpose is found by comparing every entry with the store (package verify).
package lock

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// Lock is what a run gave.
type Lock struct {
	Benchmark string
	Manifest  digest.Digest // digest of the manifest's meaning
	Plan      digest.Digest
	Steps     []Step            // sorted by name
	Claims    []manifests.Claim // in the order of the manifest, each once; a lock without has no such section
	Results   []Result          // sorted by evaluation, model, dataset; metrics in the order of the evaluation
}

// Step is what one step gave.
type Step struct {
	Name     string
	Plugin   string // kind/name@version
	Action   digest.Digest
	Artifact digest.Digest
	Rerun    tolerance.Bounds // how close a second computation has to come; none where bytes are compared
}

// Result is one number. Empty values are undefined.
type Result struct {
	Evaluation, Model, Dataset, Metric string
	Value, Low, High                   *float64
}

const (
	head = "# Written by cairn. Do not edit: `cairn run` writes it, `cairn verify` checks it.\napiVersion: cairn/v1\nkind: BenchmarkLock\n"
	null = "null"
)

// Keys of the entries, in their order.
var (
	stepKeys   = []string{"plugin", "action", "artifact", "compare?", "absolute?", "relative?"}
	claimKeys  = []string{"evaluation", "model", "dataset", "metric", "value", "tolerance", "rule?", "level?", "source"} // ? is left out where there is none
	resultKeys = []string{"evaluation", "model", "dataset", "metric", "value", "low", "high"}
)

// Marshal returns the text of the lock.
func (l *Lock) Marshal() []byte {
	var b bytes.Buffer
	b.WriteString(head)
	fmt.Fprintf(&b, "benchmark: %s\nmanifest: %s\nplan: %s\nsteps:\n", word(l.Benchmark), l.Manifest, l.Plan)
	steps := slices.Clone(l.Steps)
	slices.SortStableFunc(steps, func(x, y Step) int { return strings.Compare(x.Name, y.Name) })
	for _, s := range steps {
		fmt.Fprintf(&b, "  %s: %s\n", word(s.Name), entry(stepKeys, word(s.Plugin), s.Action.String(), s.Artifact.String(), s.Rerun.Compare, some(s.Rerun.Absolute), some(s.Rerun.Relative)))
	}
	l.writeClaims(&b)
	b.WriteString("results:\n")
	results := slices.Clone(l.Results)
	slices.SortStableFunc(results, func(x, y Result) int { return strings.Compare(x.key(), y.key()) })
	for _, r := range results {
		fmt.Fprintf(&b, "  - %s\n", entry(resultKeys, word(r.Evaluation), word(r.Model), word(r.Dataset), word(r.Metric), number(r.Value), number(r.Low), number(r.High)))
	}
	fmt.Fprintf(&b, "digest: %s\n", digest.FromBytes(b.Bytes()))
	return b.Bytes()
}

func (l *Lock) writeClaims(b *bytes.Buffer) {
	if len(l.Claims) == 0 {
		return
	}
	b.WriteString("claims:\n")
	for _, c := range l.Claims {
		fmt.Fprintf(b, "  - %s\n", entry(claimKeys, word(c.Evaluation), word(c.Model), word(c.Dataset), word(c.Metric), number(&c.Value), number(&c.Tolerance), c.Rule, some(c.Level), word(c.Source)))
	}
}

func (r Result) key() string { return r.Evaluation + "\x00" + r.Model + "\x00" + r.Dataset }

// some writes a number, and "" for none.
func some(v float64) string {
	if v == 0 {
		return ""
	}
	return number(&v)
}

// entry writes a line. A key that ends in ? is left out where its value is "".
func entry(keys []string, values ...string) string {
	var b strings.Builder
	for i, k := range keys {
		k, optional := strings.CutSuffix(k, "?")
		if optional && values[i] == "" {
			continue
		}
		b.WriteString(", " + k + ": " + values[i])
	}
	return "{" + strings.TrimPrefix(b.String(), ", ") + "}"
}

// typed are the words that a YAML reader takes for something else than a text.
var typed = map[string]bool{"null": true, "true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true}

// word writes a name as YAML, in quotes where it needs them. Go's escapes are those of YAML.
func word(s string) string {
	if plain(s) && !typed[strings.ToLower(s)] {
		return s
	}
	return strconv.Quote(s)
}

func plain(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9') && !strings.ContainsRune("._/@+-", rune(c))) {
			return false
		}
	}
	return s != ""
}

func number(v *float64) string {
	if v == nil {
		return null
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// ByName returns the steps by their names, for who looks up many.
func (l *Lock) ByName() map[string]Step {
	all := make(map[string]Step, len(l.Steps))
	for _, s := range l.Steps {
		all[s.Name] = s
	}
	return all
}

// Find returns the step of that name.
func (l *Lock) Find(name string) (Step, bool) {
	i := slices.IndexFunc(l.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return l.Steps[i], true
}
