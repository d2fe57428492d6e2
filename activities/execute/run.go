package execute

import (
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// RunRequest is one execution of an action, with no look at the action cache. Verification uses it to do a
// step again into a scratch store.
type RunRequest struct {
	Store    cas.Store // holds the inputs
	Into     cas.Store // receives the artifact
	Plugins  plugins.Set
	Action   action.Action
	Env      plugins.Env
	Scratch  string
	Workers  int
	Progress func(plugins.Progress)
}

// Run executes an action and packs what the plugin wrote.
func Run(ctx context.Context, r RunRequest) (ocispec.Descriptor, error) {
	kind := catalog.Kind(r.Action.Plugin.Kind)
	p, err := r.Plugins.Find(kind, r.Action.Plugin.Name)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if have := p.Spec().Identity().String(); have != r.Action.Plugin.String() {
		return ocispec.Descriptor{}, fmt.Errorf("the action needs plugin %s, this program has %s", r.Action.Plugin, have)
	}
	dir, clean, err := scratch(r.Scratch)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer clean()
	in, err := inputs(ctx, r.Store, r.Action)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	out, err := sandbox.NewOutput(outputFolder(dir))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer out.Close()
	seed, err := r.Action.SeedValue()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	err = p.Run(ctx, plugins.Call{Params: r.Action.Params, Seed: seed, Dataset: r.Action.Dataset, Inputs: in, Output: out,
		Env: r.Env, Workers: r.Workers, Progress: r.Progress, Scratch: dir})
	if err != nil {
		return ocispec.Descriptor{}, classify(ctx, kind, err)
	}
	return artifact.Pack(ctx, r.Into, kindOf(kind), out.Files(), out.Open)
}
