package execute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
)

// fewFiles are named in an error. It stays in a history, so it has to be short.
const fewFiles = 10

// pinned refuses another artifact than the lock's, and says which files differ and who has changed his mind.
func (e *Executor) pinned(ctx context.Context, req activities.ExecuteRequest, got digest.Digest) error {
	if req.Pinned == "" || got == req.Pinned {
		return nil
	}
	what, err := e.difference(ctx, req.Pinned, got)
	if err != nil {
		return err
	}
	dataset := path.Base(req.Step)
	return activities.Permanent(activities.Differs, fmt.Errorf("%s: the lock has %s, the source gives %s\n%s\n`--update %s` accepts it; to keep the lock, bring the artifact that it names into the store",
		req.Step, req.Pinned, got, what, dataset))
}

// difference tells two artifacts apart, as far as they can be read here.
func (e *Executor) difference(ctx context.Context, was, is digest.Digest) (string, error) {
	files, err := list(ctx, e.Store, is)
	if err != nil {
		return "", err
	}
	word := e.publishersWord(ctx, is)
	before, err := list(ctx, e.Store, was)
	if errors.Is(err, cas.ErrNotFound) {
		_, lines, _ := strings.Cut(artifact.Differ(nil, files).Text(fewFiles), "\n")
		return fmt.Sprintf("the lock's artifact is not in this store, so its files cannot be compared; %d were received\n%s\n%s", len(files), lines, word), nil
	}
	if err != nil {
		return "", err
	}
	return artifact.Differ(before, files).Text(fewFiles) + "\n" + word, nil
}

func list(ctx context.Context, store cas.Store, id digest.Digest) ([]artifact.File, error) {
	r, err := artifact.Open(ctx, store, id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]artifact.File, 0, r.Len())
	for p, err := range r.All() {
		if err != nil {
			return nil, fmt.Errorf("artifact %s: %w", id, err)
		}
		out = append(out, p.File)
	}
	return out, nil
}

// publishersWord says what the publisher's own list says of the files that were received. A fetch takes in no
// file that the list contradicts.
func (e *Executor) publishersWord(ctx context.Context, id digest.Digest) string {
	var doc document.Dataset
	if tree, err := sandbox.OpenTree(ctx, e.Store, id); err == nil {
		if text, err := tree.ReadFile(document.DatasetFile); err == nil {
			_ = json.NewDecoder(bytes.NewReader(text)).Decode(&doc) // what it does not say is not known
		}
	}
	if sums := doc.Source["sums"]; sums != "" {
		return "the files agree with the publisher's checksum list (" + sums + "): the publisher has changed both since the lock was written"
	}
	return "the publisher gives no checksum list: nothing but the lock shows that the files were others"
}
