package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/plugins"
)

// evaluation signs the numbers of an evaluation by themselves, so that they outlive its artifact. It is nil for other
// steps.
func (e *Executor) evaluation(ctx context.Context, into cas.Store, set plugins.Set, step plan.Step, a action.Action, id action.ID, made digest.Digest) ([]byte, error) {
	if step.Plugin.Kind != string(catalog.Evaluate) {
		return nil, nil
	}
	m, err := metrics(ctx, into, made)
	if err != nil {
		return nil, activities.Permanent(activities.Failed, fmt.Errorf("%s: %w", step.Name, err))
	}
	text, err := provenance.NewEvaluation(step.Name, made, provenance.Evaluation{
		Action: id, Dataset: m.Dataset, Determinism: string(class(set, step)), Metrics: m.Metrics,
		Split: provenance.Split{Name: m.Split, Samples: m.Samples, IDs: e.ids(ctx, a, m.Split)},
	})
	if err != nil {
		return nil, err
	}
	return envelope.Sign(ctx, provenance.MediaType, text, e.Key)
}

// metrics reads the numbers that an evaluation gave.
func metrics(ctx context.Context, s cas.Store, made digest.Digest) (m document.Metrics, err error) {
	f, err := sandbox.OpenFile(ctx, s, made, document.MetricsFile)
	if err != nil {
		return m, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDocument))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", document.MetricsFile, err)
	}
	return m, nil
}

// class is what the plugin of a step promises.
func class(set plugins.Set, step plan.Step) catalog.Determinism {
	p, err := set.Find(catalog.Kind(step.Plugin.Kind), step.Plugin.Name)
	if err != nil {
		return ""
	}
	return p.Spec().Determinism
}

// ids is the digest of the file in which the curated dataset lists the samples of a side.
func (e *Executor) ids(ctx context.Context, a action.Action, side string) digest.Digest {
	for _, in := range a.Inputs {
		if d := fileOf(ctx, e.Store, in.Artifact, document.SplitFile(side)); d != "" {
			return d
		}
	}
	return ""
}
