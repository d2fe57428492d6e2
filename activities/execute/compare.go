package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Given is what a lock has for a fetch. The action is "" where it is the one to compare with.
type Given struct{ Action, Artifact digest.Digest }

// Comparison is how two results of a fetch differ. dataset.json, which is ours, is not compared.
type Comparison struct {
	drift.Report
	Files artifact.Difference
}

// Compare tells what a fetch gave from what the lock has for it, as far as it can be read here.
func Compare(ctx context.Context, s cas.Store, was Given, is digest.Digest, a action.Action) (Comparison, error) {
	c := Comparison{Report: drift.Report{Lock: was.Artifact, Received: is}}
	files, err := list(ctx, s, is)
	if err != nil {
		return c, err
	}
	f := drift.Fetch{Known: true, Is: files, List: sumsOf(ctx, s, is)}
	if was.Action != "" {
		f.Edited = true
		_, f.Edits = edits(ctx, s, was.Action, a)
	}
	var unreadable *artifact.DamagedError // such as one that an older release has packed
	f.Was, err = list(ctx, s, was.Artifact)
	if errors.Is(err, cas.ErrNotFound) || errors.As(err, &unreadable) {
		f.Known, err = false, nil
	}
	if err != nil {
		return c, err
	}
	c.Files = artifact.Differ(f.Was, f.Is)
	c.Verdict, c.Unknown = f.Judge(), !f.Known
	c.Added, c.Removed, c.Changed = len(c.Files.Added), len(c.Files.Removed), len(c.Files.Changed)
	return c, nil
}

// Differences says in one line how much differs, and then in one line each which files do, at most that many.
func (c Comparison) Differences(most int) string {
	if !c.Unknown {
		return c.Files.Text(most)
	}
	_, lines, _ := strings.Cut(c.Files.Text(most), "\n")
	return fmt.Sprintf("the lock's artifact is not in this store, so its files cannot be compared; %d were received\n%s", c.Added, lines)
}

// list lists the files that a source gave.
func list(ctx context.Context, s cas.Store, id digest.Digest) ([]artifact.File, error) {
	r, err := artifact.Open(ctx, s, id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]artifact.File, 0, r.Len())
	for p, err := range r.All() {
		if err != nil {
			return nil, fmt.Errorf("artifact %s: %w", id, err)
		}
		if p.Path != document.DatasetFile {
			out = append(out, p.File)
		}
	}
	return out, nil
}

// fileOf is the digest of one file of an artifact, "" if that is not known here.
func fileOf(ctx context.Context, s cas.Store, id digest.Digest, path string) digest.Digest {
	r, err := artifact.Open(ctx, s, id)
	if err != nil {
		return ""
	}
	defer r.Close()
	p, _, _ := r.Find(path)
	return p.Digest
}

// sumsOf is the address of the publisher's list that all files of an artifact agree with: a fetch takes in no file that
// the list contradicts. "" if there is none.
func sumsOf(ctx context.Context, s cas.Store, id digest.Digest) string {
	f, err := sandbox.OpenFile(ctx, s, id, document.DatasetFile)
	if err != nil {
		return ""
	}
	defer f.Close()
	var doc document.Dataset
	if text, err := io.ReadAll(io.LimitReader(f, maxDocument)); err == nil {
		_ = json.Unmarshal(text, &doc) // what it does not say is not known
	}
	return doc.Source["sums"]
}

const maxDocument = 16 << 20

// edits reads the action that the lock has and says what is another in the one of today. What the store does not have is
// not known.
func edits(ctx context.Context, s cas.Store, was digest.Digest, is action.Action) (action.Action, []plan.Cause) {
	text, err := cas.ReadAll(ctx, s, was, maxDocument)
	if err != nil {
		return action.Action{}, nil
	}
	a, err := action.Parse(text)
	if err != nil {
		return action.Action{}, nil
	}
	if text, err := is.Canonical(); err == nil { // else every default that is not written out differs
		is, _ = action.Parse(text)
	}
	return a, plan.Differ(a, is, nil)
}
