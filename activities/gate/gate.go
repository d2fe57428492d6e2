// Package gate says what stands between this machine and the data of a dataset: terms that nobody here has accepted,
// credentials that are not there, files that a person has to bring. Access is personal, so the approvals lie in the
// home of the worker that fetches, where the credentials are, and count if the key of that home has signed them.
package gate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/approval"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/plugins"
)

// Gate is that of one home. The zero value has no approvals.
type Gate struct {
	dir    string
	key    keys.Signer
	former []trust.PublicKey
}

// Open returns the gate of a home, whose key signs what is accepted. What former keys of the home have signed counts, too.
func Open(home string, key keys.Signer, former ...trust.PublicKey) *Gate {
	return &Gate{dir: filepath.Join(home, "approvals"), key: key, former: former}
}

// Record is an approval as it was signed.
type Record struct {
	approval.Approval
	Path   string // of its file
	Text   []byte // the envelope
	Digest digest.Digest
}

// Approve keeps an approval, signed with the key of the home, which is made if there is none yet.
func (g *Gate) Approve(ctx context.Context, a approval.Approval) (Record, error) {
	text, err := a.Sign(ctx, g.key)
	if err != nil {
		return Record{}, err
	}
	dir := filepath.Join(g.dir, a.Dataset)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Record{}, fmt.Errorf("approval: %w", err)
	}
	r := Record{Approval: a, Text: text, Digest: digest.FromBytes(text)}
	r.Path = filepath.Join(dir, r.Digest.Encoded()+".json")
	return r, cas.ReplaceFile(dir, r.Path, text)
}

// Approvals lists what was accepted in this home, sorted by dataset and time. A file that does not count is an error
// beside the others.
func (g *Gate) Approvals() ([]Record, error) {
	datasets, err := os.ReadDir(g.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Record
	bad := []error{err}
	for _, d := range datasets {
		if !d.IsDir() {
			continue
		}
		records, err := g.of(d.Name())
		all, bad = append(all, records...), append(bad, err)
	}
	return all, errors.Join(bad...)
}

// of reads the approvals of one dataset.
func (g *Gate) of(dataset string) ([]Record, error) {
	if g == nil || !manifests.IsName(dataset) {
		return nil, nil
	}
	dir := filepath.Join(g.dir, dataset)
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("approvals of %s: %w", dataset, err)
	}
	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool { return filepath.Ext(f.Name()) != ".json" })
	if len(files) == 0 {
		return nil, nil
	}
	key, err := g.key.Known()
	if err != nil {
		return nil, fmt.Errorf("approvals of %s: %w", dataset, err)
	}
	known := append([]trust.PublicKey{key}, g.former...)
	var out []Record
	var bad []error
	for _, f := range files {
		file := filepath.Join(dir, f.Name())
		r, err := read(file, known)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was taken back a moment ago
		case err != nil:
			bad = append(bad, fmt.Errorf("%s: %w", file, err))
		default:
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(x, y Record) int { return x.At.Compare(y.At) })
	return out, errors.Join(bad...)
}

func read(file string, known []trust.PublicKey) (Record, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Record{}, err
	}
	a, err := approval.Open(text, known...)
	return Record{Approval: a, Path: file, Text: text, Digest: digest.FromBytes(text)}, err
}

// Covering returns for each of the terms of a step the approval of them, and the terms without one. An approval that
// does not count is as good as none; `cairn approve --list` says why.
func (g *Gate) Covering(of *plan.Gate) (approved []Record, missing []manifests.Term) {
	if of == nil {
		return nil, nil
	}
	records, _ := g.of(of.Dataset)
	for _, t := range of.Terms {
		i := slices.IndexFunc(records, func(r Record) bool { return r.Covers(*of, t) })
		if i < 0 {
			missing = append(missing, t)
			continue
		}
		approved = append(approved, records[i])
	}
	return approved, missing
}

// Missing says what stands between this machine and what a step fetches.
func (g *Gate) Missing(ctx context.Context, step plan.Step, p plugins.Plugin, env plugins.Env) ([]activities.Missing, error) {
	var out []activities.Missing
	_, terms := g.Covering(step.Gate)
	for _, t := range terms {
		out = append(out, activities.Missing{What: "terms " + t.ID, Do: strings.Join(t.Steps, " "), Page: t.URL, Terms: t.ID})
	}
	more, err := p.Missing(ctx, step.Params, env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", step.Name, err)
	}
	for _, m := range more {
		out = append(out, activities.Missing{What: m.What, Do: m.Do, Page: m.Page})
	}
	return out, nil
}
