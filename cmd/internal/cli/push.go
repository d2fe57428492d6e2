package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/verify"
)

func (a *app) pushCommand() *cobra.Command {
	var o pushOptions
	c := &cobra.Command{
		Use:   "push REF|LOCK " + registry.Scheme + "HOST/REPOSITORY[:TAG]",
		Short: "Bring an artifact, or the benchmark of a lock, to a registry, with its records",
		Long: `Bring an artifact, or the benchmark of a lock, to a registry, with its records.

The terms policy is asked before anything is sent: what derives from a dataset that may not be passed on stays, and so does the
whole push (exit code 5), unless --records leaves out just that. Records, digests, metrics and documents always go; who pulls
such a copy can verify it at level records. "cairn terms" says what may go where.`,
		Example: `  cairn push demo oci://ghcr.io/our-lab/demo:v1
  cairn push climb oci://ghcr.io/our-lab/climb:v1 --records`,
		Args: args(2),
		RunE: func(c *cobra.Command, args []string) error { return a.push(c.Context(), args[0], args[1], o) },
	}
	c.Flags().BoolVar(&o.records, "records", false, "leave out the data that may not be pushed; everything else goes")
	o.terms.flags(c)
	return c
}

type pushOptions struct {
	records bool
	terms   termsOptions
}

func (o *pushOptions) check() error {
	if o.records && o.terms.override {
		return &usageError{errors.New("--records leaves out what --override-terms would send; give one of them")}
	}
	return o.terms.check()
}

// pushed is what a push prints.
type pushed struct {
	Schema    string        `json:"schema"`
	Ref       string        `json:"ref"`
	Digest    digest.Digest `json:"digest"`
	Manifests int           `json:"manifests"`
	Blobs     struct {
		Sent    int `json:"sent"`
		Skipped int `json:"skipped"`
		Mounted int `json:"mounted"`
	} `json:"blobs"`
	Bytes    int64         `json:"bytes"`
	LeftOut  leftOut       `json:"leftOut"`
	Override digest.Digest `json:"override,omitempty"` // record of it
}

// leftOut is what the terms policy kept here.
type leftOut struct {
	Blobs     int            `json:"blobs"`
	Bytes     int64          `json:"bytes"`
	Artifacts []leftArtifact `json:"artifacts"`
}

type leftArtifact struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
	Reason string        `json:"reason"`
}

func newLeftOut(c clearance, blobs []ocispec.Descriptor) leftOut {
	out := leftOut{Blobs: len(blobs), Artifacts: []leftArtifact{}}
	for _, b := range blobs {
		out.Bytes += b.Size
	}
	for _, r := range c.refused {
		one := clearance{refused: []refused{r}}
		out.Artifacts = append(out.Artifacts, leftArtifact{r.name, r.Digest, one.reason()})
	}
	return out
}

func (a *app) push(ctx context.Context, what, to string, o pushOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	meter, err := a.newTransfer("push")
	if err != nil {
		return err
	}
	remote, repo, tag, err := a.target(w, to, meter)
	if err != nil {
		return err
	}
	if strings.HasPrefix(tag, "@") {
		return &usageError{fmt.Errorf("%s: what is pushed has a digest already; give a tag or nothing", to)}
	}
	root, err := w.pushable(ctx, what)
	if err != nil {
		return err
	}
	p, err := a.cleared(ctx, w, what, root, repo.Name(), o)
	if err != nil {
		return err
	}
	var out registry.Pushed
	if len(p.withheld) > 0 {
		out, err = remote.PushRecords(ctx, w.store, root, tag, p.withheld, p.statements...)
	} else {
		out, err = remote.Push(ctx, w.store, root, tag, p.statements...)
	}
	meter.end()
	if err != nil {
		return err
	}
	doc := pushed{Schema: "cairn/push/v1", Ref: registry.Scheme + repo.Name() + ":" + tag, Digest: out.Digest, Manifests: out.Manifests, Bytes: out.Bytes, Override: p.override}
	doc.Blobs.Sent, doc.Blobs.Skipped, doc.Blobs.Mounted = out.Sent, out.Skipped, out.Mounted
	doc.LeftOut = newLeftOut(p.clearance, out.LeftOut)
	return a.print(doc, doc.print)
}

func (doc pushed) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n%s\n%d manifests, %d blobs sent (%s), %d were there, %d mounted\n",
		doc.Ref, doc.Digest, doc.Manifests, doc.Blobs.Sent, size(float64(doc.Bytes)), doc.Blobs.Skipped, doc.Blobs.Mounted)
	if left := doc.LeftOut; left.Blobs > 0 {
		fmt.Fprintf(out, "left out: %s (%s) of %s\n", plural(left.Blobs, "blob"), size(float64(left.Bytes)), plural(len(left.Artifacts), "artifact"))
		listFew(out, left.Artifacts, func(l leftArtifact) string { return l.Name + "  " + l.Reason })
	}
}

// parcel is what a push sends beside the artifact, and what of it has to stay.
type parcel struct {
	clearance
	statements []digest.Digest // records of an artifact, and overrides
	withheld   map[digest.Digest]bool
	override   digest.Digest
}

// cleared asks the terms policy about a push, and collects what goes with it.
func (a *app) cleared(ctx context.Context, w *workshop, what string, root digest.Digest, to string, o pushOptions) (parcel, error) {
	policy, _, err := w.policy(o.terms.file)
	if err != nil {
		return parcel{}, err
	}
	s, err := w.consider(ctx, what, root)
	if err != nil {
		return parcel{}, err
	}
	p := parcel{clearance: s.ask(policy, terms.Push, to)}
	if o.records {
		p.withheld = p.clearance.withheld()
	} else if p.override, err = a.settle(ctx, w, o.terms, p.clearance); err != nil {
		return parcel{}, err
	}
	if p.override != "" {
		p.clearance = clearance{}
	}
	if p.statements, err = w.recordsOf(ctx, root); err != nil {
		return parcel{}, err
	}
	known, err := a.overridesOf(ctx, w, s)
	for _, k := range known {
		if k.By != "" {
			p.statements = append(p.statements, k.Record)
		}
	}
	return p, err
}

// pushable is the artifact of a name or a digest, or the benchmark artifact of a lock file.
func (w *workshop) pushable(ctx context.Context, what string) (digest.Digest, error) {
	text, err := readUnlessFolder(what)
	if errors.Is(err, fs.ErrNotExist) {
		return w.ref(ctx, what)
	}
	if err != nil {
		return "", &usageError{err}
	}
	if d, ok := w.holder(ctx, text); ok {
		return d, nil
	}
	return "", exit(exitUsage, "%s: its benchmark artifact is not in the store; `cairn run` makes it", what)
}

// recordsOf finds the records of a single artifact through the benchmarks that list both.
func (w *workshop) recordsOf(ctx context.Context, artifact digest.Digest) ([]digest.Digest, error) {
	ix, err := w.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	var out []digest.Digest
	for _, named := range ix.Manifests {
		text, err := cas.ReadAll(ctx, w.store, named.Digest, maxShown)
		var bench ocispec.Index
		if named.MediaType != ocispec.MediaTypeImageIndex || err != nil || json.Unmarshal(text, &bench) != nil {
			continue
		}
		of := map[string]bool{} // actions that gave it
		for _, m := range bench.Manifests {
			if m.Digest == artifact {
				of[m.Annotations[verify.ActionKey]] = true
			}
		}
		for _, m := range bench.Manifests {
			if m.ArtifactType == provenance.MediaType && of[m.Annotations[verify.ActionKey]] {
				out = append(out, m.Digest)
			}
		}
	}
	return out, nil
}
