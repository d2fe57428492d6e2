package execute

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/host"
)

// RunRequest is one execution of an action, with no look at the action cache. Verification uses it to do a
// step again into a scratch store.
type RunRequest struct {
	Store    cas.Store    // holds the inputs
	Into     cas.Uploader // receives the artifact
	Plugins  plugins.Set
	Action   action.Action
	Env      plugins.Env
	Scratch  string
	Workers  int
	Progress func(plugins.Progress)
	Partial  string      // of a fetch: a folder that outlives a failed try; "" for none
	Host     host.Runner // nil for this process

	Checkpoints plugins.Checkpoints // of a training; nil for none
	Interval    plugins.Interval
}

// Run executes an action and packs what the plugin wrote. An error that no other try can help is marked as
// such.
func Run(ctx context.Context, r RunRequest) (ocispec.Descriptor, error) {
	p, err := r.plugin()
	if err != nil {
		return ocispec.Descriptor{}, activities.Permanent(activities.Invalid, err)
	}
	dir, err := newScratch(r.Scratch)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer dir.remove()
	lasting, stop := plugins.Linger(ctx)
	defer stop()
	in, err := inputs(lasting, r.Store, r.Action)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	out, err := r.output(filepath.Join(dir.path(), "out"))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer out.Close()
	seed, err := r.Action.SeedValue()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	run := r.Host
	if run == nil {
		run = host.InProcess
	}
	err = run(ctx, p, plugins.Call{Params: r.Action.Params, Seed: seed, Dataset: r.Action.Dataset, Inputs: in, Output: out,
		Env: r.Env, Source: r.Action.Source, Workers: r.Workers, Progress: r.Progress, Scratch: dir.path(), Partial: r.Partial, Checkpoints: r.Checkpoints, Interval: r.Interval})
	if err != nil {
		return ocispec.Descriptor{}, errors.Join(classify(ctx, err), forget(out, err))
	}
	return out.Pack(ctx, kindOf(p.Spec().Kind))
}

// output makes what the step writes to. What an interrupted execution has kept of it goes by the name of the action.
func (r RunRequest) output(dir string) (*sandbox.Output, error) {
	id, err := r.Action.ID()
	if err != nil {
		return nil, activities.Permanent(activities.Invalid, err)
	}
	return sandbox.NewOutput(sandbox.Options{Dir: dir, Store: r.Into, Name: id.Digest().Encoded(), Workers: r.Workers})
}

// forget drops what was kept of a step that has gone wrong in what it read.
func forget(out *sandbox.Output, err error) error {
	if errors.Is(err, plugins.ErrSourceChanged) {
		return out.Discard()
	}
	return nil
}

// plugin finds the plugin that the action names, and no other version of it.
func (r RunRequest) plugin() (plugins.Plugin, error) {
	p, err := r.Plugins.Find(catalog.Kind(r.Action.Plugin.Kind), r.Action.Plugin.Name)
	if err != nil {
		return p, err
	}
	if want, have := describe(r.Action.Plugin), describe(p.Spec().Identity()); have != want {
		return p, fmt.Errorf("the action needs plugin %s, this program has %s; plan again with this program, or use the one that the action needs", want, have)
	}
	if want := r.Action.Platform; want != "" && want != resolve.Platform() {
		return p, fmt.Errorf("the action is of the platform %s, this is %s: the plugin promises the same bytes on the same platform only; run a worker there, or plan again here", want, resolve.Platform())
	}
	return p, nil
}

// Unfit is a step whose plugin this program does not have.
type Unfit struct {
	Step       string
	Want, Have string // plugin, version and components; "" if there is no plugin of that name
}

// Misfits returns the steps of a plan, among those that are wanted, that this program cannot do as they are planned.
func Misfits(set plugins.Set, p *plan.Plan, wanted func(step string) bool) []Unfit {
	var all []Unfit
	for _, s := range p.Steps {
		have := ""
		if p, err := set.Find(catalog.Kind(s.Plugin.Kind), s.Plugin.Name); err == nil {
			have = describe(p.Spec().Identity())
		}
		if s.Hints.Folder != "" {
			continue // it came with the manifest; the step itself looks at the folder
		}
		if want := describe(s.Plugin); want != have && wanted(s.Name) {
			all = append(all, Unfit{s.Name, want, have})
		}
	}
	return all
}

// describe names a plugin with all that can change its bytes.
func describe(p action.Plugin) string {
	all := []string{p.String()}
	for _, c := range p.Components {
		all = append(all, c.Name+"@"+c.Version)
	}
	if p.Digest != "" {
		all = append(all, p.Digest.String())
	}
	slices.Sort(all[1:])
	return strings.Join(all, " with ")
}

// kindOf is the form in which the results of a kind of step are kept.
func kindOf(k catalog.Kind) artifact.Kind {
	switch k {
	case catalog.Pretrain:
		return artifact.Model
	case catalog.Evaluate:
		return artifact.Evaluation
	}
	return artifact.Dataset
}

// inputs opens the artifacts that an action names.
func inputs(ctx context.Context, s cas.Store, a action.Action) ([]plugins.Input, error) {
	var out []plugins.Input
	for _, in := range a.Inputs {
		tree, err := sandbox.OpenTree(ctx, s, in.Artifact)
		if errors.Is(err, cas.ErrNotFound) {
			err = activities.Permanent(activities.Failed, fmt.Errorf("%w; run again, and the step that gave it is done again", err))
		}
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", in.Name, err)
		}
		out = append(out, plugins.Input{Name: in.Name, Artifact: in.Artifact, Tree: tree})
	}
	return out, nil
}
