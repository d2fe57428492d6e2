package execute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/plugins"
)

// admit refuses a fetch as long as something stands between this machine and the data.
func (e *Executor) admit(ctx context.Context, step plan.Step, dir string) error {
	_, missing, err := e.missing(ctx, step, dir)
	if err != nil || len(missing) == 0 {
		return err
	}
	var what []string
	for _, m := range missing {
		what = append(what, m.What)
	}
	return activities.Block(missing, fmt.Errorf("%s is blocked: it needs %s", step.Name, strings.Join(what, "; ")))
}

// Missing says what stands between this machine and what a step fetches.
func (e *Executor) Missing(ctx context.Context, step plan.Step, dir string) ([]activities.Missing, error) {
	_, missing, err := e.missing(ctx, step, dir)
	return missing, err
}

func (e *Executor) missing(ctx context.Context, step plan.Step, dir string) (plugins.Plugin, []activities.Missing, error) {
	if step.Plugin.Kind != string(catalog.Fetch) {
		return plugins.Plugin{}, nil, nil
	}
	set, err := External(e.Plugins, e.Load, step, dir)
	if err != nil {
		return plugins.Plugin{}, nil, activities.Permanent(activities.Invalid, fmt.Errorf("%s: %w", step.Name, err))
	}
	p, err := set.Find(catalog.Fetch, step.Plugin.Name)
	if err != nil {
		return p, nil, activities.Permanent(activities.Invalid, fmt.Errorf("%s: %w", step.Name, err))
	}
	var said secrets
	missing, err := e.Gate.Missing(ctx, step, p, said.watch(e.Env(dir)))
	if err != nil {
		return p, nil, said.safe(err)
	}
	for i, m := range missing {
		missing[i].What, missing[i].Do, missing[i].Page = said.hide(m.What), said.hide(m.Do), said.hide(m.Page)
	}
	return p, missing, nil
}

// approvals are those under which a step has fetched, for its record.
func (e *Executor) approvals(step plan.Step) []provenance.Approval {
	var out []provenance.Approval
	records, _ := e.Gate.Covering(step.Gate)
	for _, r := range records {
		out = append(out, provenance.Approval{Terms: r.Terms.ID, Envelope: r.Text})
	}
	return out
}

const (
	look         = time.Second // between two looks at what was missing
	firstRefusal = time.Minute // until a publisher who refused is asked again; each time twice as long
	lastRefusal  = time.Hour
)

// Await returns when a step that was blocked may be tried again. Two workers may not agree on what is missing: one that
// is asked again and again takes its time.
func (e *Executor) Await(ctx context.Context, req activities.AwaitRequest) error {
	step, err := e.Step(ctx, req.Plan, req.Step)
	if err != nil {
		return err
	}
	refused := len(req.Missing) == 0
	pause := min(firstRefusal<<min(req.Tries, 10), lastRefusal)
	if !refused {
		pause = activities.Pause(req.Tries)
	}
	soon := time.NewTimer(pause)
	defer soon.Stop()
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	var was digest.Digest
	for due := !refused && req.Tries == 0; ; {
		p, missing, err := e.missing(ctx, step, req.Dir)
		if err != nil {
			return err
		}
		is := credentials(ctx, p, step, e.Env(req.Dir))
		if was == "" {
			was = is
		}
		if len(missing) == 0 && (due || refused && is != was) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-soon.C:
			due = true
		case <-ticks.C:
		}
	}
}

// credentials tells whether the credentials of a plugin are still the same: those that it names, and those that it looks
// up when it is asked what it misses, such as those of a host. It never leaves this process.
func credentials(ctx context.Context, p plugins.Plugin, step plan.Step, env plugins.Env) digest.Digest {
	given := map[string]string{}
	if ask := env.Lookup; ask != nil {
		env.Lookup = func(name string) (string, bool) {
			value, ok := ask(name)
			given[name] = value
			return value, ok
		}
		for _, name := range p.Spec().Secrets {
			env.Lookup(name)
		}
	}
	_, _ = p.Missing(ctx, step.Params, env) // what it misses is known
	sum := digest.SHA256.Digester()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		fmt.Fprintf(sum.Hash(), "%q %q\n", name, given[name])
	}
	return sum.Digest()
}

// isRefusal says whether a publisher has not let us in yet.
func isRefusal(err error) bool {
	if errors.Is(err, plugins.ErrPanic) {
		return false
	}
	switch plugins.FaultCode(err) {
	case plugins.FaultUnauthorized, plugins.FaultForbidden, plugins.FaultLogin:
		return true
	}
	return false
}
