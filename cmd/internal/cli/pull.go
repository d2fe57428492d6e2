package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
)

func (a *app) pullCommand() *cobra.Command {
	var globs []string
	var name string
	c := &cobra.Command{
		Use:   "pull " + registry.Scheme + "HOST/REPOSITORY[:TAG|@DIGEST]",
		Short: "Bring an artifact or a benchmark with its records from a registry into the store of the home",
		Args:  args(1),
		RunE:  func(c *cobra.Command, args []string) error { return a.pull(c.Context(), args[0], name, globs) },
	}
	c.Flags().StringArrayVar(&globs, "path", nil, "of datasets only the shards that hold files of this pattern, such as 'train/**'; can be given again")
	c.Flags().StringVar(&name, "name", "", "what it is called here (default: the benchmark's name, else the last part of REPOSITORY)")
	return c
}

// pulled is what a pull prints.
type pulled struct {
	Schema    string        `json:"schema"`
	Ref       string        `json:"ref"`
	Name      string        `json:"name"`
	Digest    digest.Digest `json:"digest"`
	Manifests int           `json:"manifests"`
	Blobs     struct {
		Fetched int `json:"fetched"`
		Present int `json:"present"`
		LeftOut int `json:"leftOut"`
	} `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

func (a *app) pull(ctx context.Context, from, called string, globs []string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	only, err := paths(globs)
	if err != nil {
		return err
	}
	meter, err := a.newTransfer("pull")
	if err != nil {
		return err
	}
	remote, repo, ref, err := a.target(w, from, meter)
	if err != nil {
		return err
	}
	got, err := remote.Pull(ctx, ref, w.layout, only)
	meter.end()
	if err != nil {
		return err
	}
	if called == "" {
		called = w.nameFor(ctx, got, repo.RepositoryStr(), ref)
	}
	if err := a.keep(ctx, w, called, got); err != nil {
		return err
	}
	doc := pulled{Schema: "cairn/pull/v1", Ref: registry.Scheme + repo.Name() + at(ref), Name: called, Digest: got.Digest, Manifests: got.Manifests, Bytes: got.Bytes}
	doc.Blobs.Fetched, doc.Blobs.Present, doc.Blobs.LeftOut = got.Fetched, got.Present, got.LeftOut
	return a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "%s\n%s\n%d manifests, %d blobs fetched (%s), %d were there, %d left out\n",
			doc.Name, doc.Digest, doc.Manifests, doc.Blobs.Fetched, size(float64(doc.Bytes)), doc.Blobs.Present, doc.Blobs.LeftOut)
	})
}

// at writes a tag or a digest behind a repository.
func at(ref string) string {
	if strings.HasPrefix(ref, "@") {
		return ref
	}
	return ":" + ref
}

// paths makes one selection of patterns.
func paths(globs []string) (registry.Paths, error) {
	if len(globs) == 0 {
		return registry.Paths{}, nil
	}
	f := match.Filter{Include: globs}
	if err := f.Check(); err != nil {
		return registry.Paths{}, &usageError{fmt.Errorf("--path: %w", err)}
	}
	p := registry.Paths{Match: f.Keep}
	for _, g := range globs {
		p.Spans = append(p.Spans, spans(g)...)
	}
	return p, nil
}

// spans is where the paths lie that a pattern may match: behind what it begins with that stands for itself. As **
// stands for nothing, too, a/** is also a.
func spans(glob string) []registry.Span {
	i := strings.IndexAny(glob, `*?[\`)
	if i < 0 {
		return []registry.Span{registry.Exactly(glob)}
	}
	out := []registry.Span{registry.Behind(glob[:i])}
	if folder, ok := strings.CutSuffix(glob[:i], "/"); ok {
		out = append(out, registry.Exactly(folder))
	}
	return out
}

// nameFor is what a pulled artifact is called: a benchmark says so itself.
func (w *workshop) nameFor(ctx context.Context, got registry.Pulled, repo, ref string) string {
	text, err := cas.ReadAll(ctx, w.layout, got.Digest, maxShown)
	var ix ocispec.Index
	if err == nil && json.Unmarshal(text, &ix) == nil && ix.Annotations[ocispec.AnnotationTitle] != "" {
		return ix.Annotations[ocispec.AnnotationTitle]
	}
	if ref == "latest" || strings.HasPrefix(ref, "@") {
		return path.Base(repo)
	}
	return path.Base(repo) + ":" + ref
}

// keep names what was pulled, and notes what the steps of a benchmark gave, so that a run of it finds them: those for which
// the trust policy's keys vouch, if there is a policy.
func (a *app) keep(ctx context.Context, w *workshop, called string, got registry.Pulled) error {
	p, err := a.policy(w)
	if err != nil {
		return err
	}
	named := map[string]ocispec.Descriptor{called: got.Root}
	entries, beside := map[string]actioncache.Entry{}, map[string][]digest.Digest{}
	for _, m := range got.Lists {
		id, step := m.Annotations[verify.ActionKey], m.Annotations[verify.StepKey]
		e := entries[id]
		e.Action = action.ID(id)
		switch record := m.ArtifactType == provenance.MediaType; {
		case record && m.Annotations[verify.AttachedKey] != "":
			beside[id] = append(beside[id], m.Digest)
		case record && e.Record != "": // of before it was done once more
		case record:
			e.Record = m.Digest
		default:
			e.Artifact = m.Digest
			if step != "" {
				named[called+"/"+step] = m
			}
		}
		entries[id] = e
	}
	left, why := 0, ""
	for id, e := range entries {
		if e.Artifact == "" || e.Record == "" || e.Action == "" {
			continue
		}
		if p.Strict {
			reason, err := a.vouched(ctx, w, p, e, beside[id]...)
			if err != nil {
				return err
			}
			if reason != "" {
				left, why = left+1, reason
				continue
			}
		}
		if err := w.own.Put(ctx, e); err != nil {
			return err
		}
	}
	if left > 0 {
		fmt.Fprintf(a.Stderr, "%s of %d do not count, and a run does them again: %s\n", plural(left, "result"), len(entries), why)
	}
	if err := w.layout.Tag(ctx, named); err != nil {
		return err
	}
	return w.overrides.Keep(ctx, got.Stated...)
}
