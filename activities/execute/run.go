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
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
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
	want := r.Action.Plugin
	p, err := r.Plugins.Find(catalog.Kind(want.Kind), want.Name)
	if err != nil {
		return p, err
	}
	if have := p.Spec().Identity(); describe(have) != describe(want) {
		return p, fmt.Errorf("the action needs plugin %s, this program has %s; plan again with this program, or use the one that the action needs", describe(want), describe(have))
	}
	return p, nil
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

// classify decides whether another try can help: a plugin that failed on good inputs will fail again, a fetch
// says itself which faults pass, and an interrupted step was not at fault.
func classify(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case plugins.IsTransient(err):
		if f, ok := errors.AsType[*plugins.Fault](err); ok && f.After > 0 {
			return activities.Later(f.After, err)
		}
		return err
	}
	if exit, ok := errors.AsType[*host.ExitError](err); ok && exit.Killed() {
		return activities.Interrupt(err)
	}
	if _, ok := errors.AsType[*host.MemoryError](err); ok {
		return activities.Permanent(activities.OutOfMemory, fmt.Errorf("%w\n%s", err, moreMemory))
	}
	return activities.Permanent(activities.Failed, err)
}

// moreMemory is what to do for a step that ran out of memory.
const moreMemory = "do fewer steps at a time (-j 1), give the machine or its container more memory, or raise the bound that the plugin declares"
