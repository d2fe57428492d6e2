package verify

import (
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// fewSteps are followed by one core.
const fewSteps = 64

// follow follows the chain through the steps of a lock, on all cores. What is found is what one core finds, in the order
// of the lock.
func (v *verifier) follow(p *plan.Plan, steps []lock.Step, artifacts map[string]digest.Digest) {
	var planned map[string]plan.Step // nil without a plan, which says nothing of the steps
	if p != nil {
		planned = map[string]plan.Step{}
		for _, s := range p.Steps {
			planned[s.Name] = s
		}
	}
	var all sync.WaitGroup
	var forks []*verifier
	for share := range slices.Chunk(steps, max(fewSteps, (len(steps)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))) {
		f := v.fork()
		forks = append(forks, f)
		all.Go(func() {
			for _, s := range share {
				f.begin(s.Name)
				f.artifact(s.Artifact)
				f.action(planned, s, artifacts, f.records(s))
			}
		})
	}
	all.Wait()
	for _, f := range forks {
		v.absorb(f)
	}
}

// fork is a verifier for a share of the steps.
func (v *verifier) fork() *verifier {
	f := newVerifier(v.ctx, v.out.Subject, plain{v.store}, v.level)
	f.limit, f.policy, f.out.Signed = v.limit, v.policy, newSigned(v.policy)
	return f
}

// plain hides the memory of a store, which only one goroutine may use.
type plain struct{ Store }

// absorb takes over what a fork has found.
func (v *verifier) absorb(f *verifier) {
	v.broken = v.broken || f.broken
	for _, p := range f.out.Problems {
		v.keep(p)
	}
	for _, name := range f.order {
		if v.steps[name] == nil {
			v.order = append(v.order, name)
		}
		v.steps[name] = f.steps[name]
	}
	for step, e := range f.numbers {
		v.numbers[step] = e
	}
	for d := range f.followed {
		v.followed[d] = true
	}
	maps.Copy(v.bundles, f.bundles)
	for d, n := range f.seen {
		v.count(d, n)
	}
	v.parts = append(v.parts, f.parts...)
	v.out.Checked.Records += f.out.Checked.Records
	v.out.Signed.add(f.out.Signed)
}
