package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

// Who says how much a fetch brings, the best first.
const (
	saidByStore    = "store"    // it is there
	saidByPlugin   = "plugin"   // the sizes of its files stand in its parameters, or it lies on this machine
	saidByManifest = "manifest" // the size of the dataset
	saidByEarlier  = "earlier"  // what the step of the same name gave last time, by the lock
)

// planSize is how much a fetch brings, or has brought. The zero value is one of the network of which nobody says it.
type planSize struct {
	Bytes int64  `json:"bytes"`
	From  string `json:"from"`
}

// planEstimate is what the fetches of a plan cost that are still to be done.
type planEstimate struct {
	plan.Estimate
	Blocked int   `json:"blocked"` // of the fetches over the network
	Free    int64 `json:"free"`    // on the disk of the home
}

// estimator adds up while a plan is explained. It asks nobody but this machine.
type estimator struct {
	*workshop
	dir     string
	before  before
	blocked int
	fetches []plan.Fetch
}

// fetch says how much a fetch brings, and takes it into account if it is to be done.
func (e *estimator) fetch(ctx context.Context, s resolve.State, blocked bool) (*planSize, error) {
	switch {
	case s.Step.Plugin.Kind != string(catalog.Fetch):
		return nil, nil
	case s.Done():
		return e.stored(ctx, s.Entry.Artifact, saidByStore), nil
	}
	f, said, err := e.expected(ctx, s.Step)
	if err != nil {
		return nil, fmt.Errorf("estimate %s: %w", s.Step.Name, err)
	}
	if was := e.before.artifacts[s.Step.Name]; said == nil && was != "" {
		said = e.stored(ctx, was, saidByEarlier)
	}
	if said != nil {
		f.Bytes = said.Bytes
	}
	e.fetches = append(e.fetches, f)
	if blocked && f.Network {
		e.blocked++
	}
	if said == nil && f.Network {
		said = &planSize{}
	}
	return said, nil
}

// expected is what plugin and manifest say.
func (e *estimator) expected(ctx context.Context, s plan.Step) (plan.Fetch, *planSize, error) {
	f, known := plan.Fetch{Network: true}, plugins.Estimate{Bytes: -1} // of a plugin from a folder nothing else is known
	if p, err := e.plugins.Find(catalog.Fetch, s.Plugin.Name); err == nil && s.Hints.Folder == "" {
		if known, err = p.Estimate(ctx, s.Params, e.resolver.Env(e.dir)); err != nil {
			return f, nil, err
		}
		f.Network, f.Unpacks = p.Spec().Network, known.Unpacks
	}
	switch {
	case known.Bytes >= 0:
		return f, &planSize{known.Bytes, saidByPlugin}, nil
	case s.Hints.FetchBytes > 0:
		return f, &planSize{s.Hints.FetchBytes, saidByManifest}, nil
	}
	return f, nil, nil
}

// stored is how large an artifact of the store is, nil if it is not there.
func (w *workshop) stored(ctx context.Context, d digest.Digest, from string) *planSize {
	text, err := cas.ReadAll(ctx, w.store, d, maxArtifactManifest)
	if err != nil {
		return nil
	}
	var m ocispec.Manifest
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	s := &planSize{From: from}
	for _, l := range m.Layers {
		s.Bytes += l.Size
	}
	return s
}

// maxArtifactManifest bounds the manifest of an artifact: a shard of it takes some 200 bytes.
const maxArtifactManifest = 16 << 20

func (e *estimator) result(atOnce int) (planEstimate, error) {
	free, err := cas.Disk{}.Free(e.workshop.dir)
	return planEstimate{plan.NewEstimate(e.fetches, atOnce), e.blocked, free}, err
}

// size is what the table of a plan shows.
func (s planStep) size() string {
	switch {
	case s.Size == nil:
		return ""
	case s.Size.From == "":
		return "?"
	}
	return size(float64(s.Size.Bytes))
}

// toFetch is a sentence on what comes over the network.
func (e planEstimate) toFetch() string {
	var parts []string
	if n := e.Fetches - e.Unknown; n > 0 {
		parts = append(parts, fmt.Sprintf("%s of %d %s", size(float64(e.Bytes)), n, either(n, "dataset", "datasets")))
	}
	if e.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d %s of which nobody says how much it is", e.Unknown, either(e.Unknown, "dataset", "datasets")))
	}
	said := strings.Join(parts, ", and ")
	if e.Blocked > 0 {
		said += fmt.Sprintf("; %d of them %s blocked", e.Blocked, either(e.Blocked, "is", "are"))
	}
	return said
}

func (a *app) printEstimate(out io.Writer, home string, e planEstimate) {
	if e.Fetches > 0 {
		fmt.Fprintf(out, "to fetch: %s\n", e.toFetch())
	}
	if e.Stays > 0 {
		enough := ""
		if e.Peak > e.Free {
			enough = ", which is not enough"
		}
		fmt.Fprintf(out, "disk: %s stay and up to %s are taken while it is fetched, where the sizes are known; %s are free at %s%s\n",
			size(float64(e.Stays)), size(float64(e.Peak)), size(float64(e.Free)), home, enough)
	}
}
