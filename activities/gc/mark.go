package gc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Root is something that keeps blobs.
type Root struct {
	Kind string `json:"kind"` // name, lock, run, process, training
	Name string `json:"name"`

	blobs []digest.Digest
	alone bool // it keeps these and nothing that they lead to
}

// roots lists all there are. The journals come first and the names last: a run is named before it ends.
func (h *Home) roots(ctx context.Context) ([]Root, error) {
	var all []Root
	for _, list := range []func(context.Context) ([]Root, error){h.useRoots, h.trainingRoots, h.lockRoots, h.nameRoots} {
		some, err := list(ctx)
		if err != nil {
			return nil, fmt.Errorf("list what is in use: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func (h *Home) useRoots(context.Context) ([]Root, error) {
	journals, err := h.noted()
	if err != nil {
		return nil, err
	}
	var all []Root
	for _, n := range journals {
		switch {
		case n.run != "":
			all = append(all, Root{Kind: "run", Name: n.run, blobs: n.uses})
		case n.lives:
			all = append(all, Root{Kind: "process", Name: n.who, blobs: n.uses})
		}
	}
	return all, nil
}

// trainingRoots are the checkpoints that the trails of trainings under way lead to.
func (h *Home) trainingRoots(context.Context) ([]Root, error) {
	files, err := os.ReadDir(h.path("checkpoints"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Root
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok {
			continue
		}
		text, err := os.ReadFile(h.path("checkpoints", f.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = append(all, Root{Kind: "training", Name: id, blobs: digestsIn(text)})
	}
	return all, nil
}

var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

func digestsIn(text []byte) []digest.Digest {
	var all []digest.Digest
	for _, d := range digestPattern.FindAll(text, -1) {
		all = append(all, digest.Digest(d))
	}
	return all
}

// marker knows what is reached.
type marker struct {
	ctx       context.Context // of the one collection
	h         *Home
	reached   map[digest.Digest]bool       // false for what stays without keeping what it leads to
	referrers map[digest.Digest][]referrer // by subject
}

// referrer is a manifest with a subject, and its parts.
type referrer struct {
	manifest digest.Digest
	parts    []digest.Digest
}

// from marks all that roots lead to. What an action led to may have changed since it was marked.
func (m *marker) from(roots []Root) error {
	for _, r := range roots {
		for _, d := range r.blobs {
			if r.alone {
				if _, ok := m.reached[d]; !ok {
					m.reached[d] = false
				}
				continue
			}
			if err := m.mark(append(m.entry(d), d)...); err != nil {
				return err
			}
		}
	}
	m.settle()
	return nil
}

// mark marks blobs and what they lead to.
func (m *marker) mark(todo ...digest.Digest) error {
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m.reached[d] {
			continue
		}
		m.reached[d] = true
		if err := m.ctx.Err(); err != nil {
			return err
		}
		named, err := m.links(d)
		if err != nil {
			return fmt.Errorf("follow what blob %s leads to: %w", d, err)
		}
		todo = append(todo, named...)
	}
	return nil
}

// links are the digests that a blob leads to: of a document those that stand in it, of an action what it gave.
func (m *marker) links(d digest.Digest) ([]digest.Digest, error) {
	isText, err := m.h.isText(m.ctx, d)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m.entry(d), nil // the action may be lost and its result be there
	case err != nil || !isText:
		return nil, err
	}
	r, err := m.h.store.Open(m.ctx, d) // checked: a damaged document hides what it leads to
	if err != nil {
		return nil, err
	}
	defer r.Close()
	named, err := scan(r)
	return append(named, m.entry(d)...), err
}

// entry is what an action gave, if the blob is one that has been done.
func (m *marker) entry(d digest.Digest) []digest.Digest {
	e, err := m.h.cache.Peek(action.ID(d))
	if err != nil {
		return nil
	}
	return []digest.Digest{d, e.Artifact, e.Record}
}

// settle lets stay what speaks of something that stays, with its parts. It keeps no more than that: the record of
// another way to the same artifact does not keep what was used on that way.
func (m *marker) settle() {
	for more := true; more; {
		more = false
		for subject, about := range m.referrers {
			if _, ok := m.reached[subject]; !ok {
				continue
			}
			more = true
			delete(m.referrers, subject)
			for _, r := range about {
				for _, d := range append(r.parts, r.manifest) {
					if _, ok := m.reached[d]; !ok {
						m.reached[d] = false
					}
				}
			}
		}
	}
}

const sniffed = 512

// isText tells documents from data by their beginning: tar, safetensors, npy and whatever is compressed has a zero
// byte there. Data that has none is searched for digests in vain.
func (h *Home) isText(ctx context.Context, d digest.Digest) (bool, error) {
	if !canonical.IsSHA256(d) {
		return false, nil
	}
	r, err := h.store.OpenAt(ctx, d)
	if err != nil {
		return false, err
	}
	defer r.Close()
	head := make([]byte, sniffed)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.IndexByte(head[:n], 0) < 0, nil
}

const digestLength = len("sha256:") + 64

// scan finds the digests in a text of any length.
func scan(r io.Reader) ([]digest.Digest, error) {
	var all []digest.Digest
	buf := make([]byte, 256<<10)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		text := buf[:kept+n]
		all = append(all, digestsIn(text)...)
		kept = copy(buf, text[max(0, len(text)-digestLength+1):]) // the beginning of one that goes on
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// blob is one file of the store.
type blob struct {
	digest digest.Digest
	size   int64
}

// list lists the blobs of the store.
func (h *Home) list() ([]blob, error) {
	files, err := os.ReadDir(h.path("store", ocispec.ImageBlobsDir, "sha256"))
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	var all []blob
	for _, f := range files {
		d := digest.NewDigestFromEncoded(digest.SHA256, f.Name())
		info, err := f.Info()
		if err != nil || d.Validate() != nil {
			continue // gone by now, or not ours
		}
		all = append(all, blob{d, info.Size()})
	}
	return all, nil
}
