package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/workflows"
)

// attendance is which workers serve the queues of a store.
type attendance struct {
	e      *engine
	living map[string]cas.Holder // of this home
	known  map[string][]string   // queue -> who serves it
}

func (e *engine) attendance() (*attendance, error) {
	living, err := e.crew.living()
	return &attendance{e, living, map[string][]string{}}, err
}

// serving returns who serves a queue. The engine remembers workers for minutes after their death; those of this home
// are known to live or not.
func (t *attendance) serving(ctx context.Context, queue string, kind enumspb.TaskQueueType) ([]string, error) {
	key := kind.String() + queue
	if all, ok := t.known[key]; ok {
		return all, nil
	}
	d, err := t.e.client.DescribeTaskQueue(ctx, queue, kind)
	if err != nil {
		return nil, fmt.Errorf("ask for the workers of %s: %w", queue, err)
	}
	all := []string{}
	for _, p := range d.GetPollers() {
		name := p.GetIdentity()
		if t.gone(name) {
			continue
		}
		if h, ok := t.living[name]; ok {
			name = h.String()
		}
		all = append(all, name)
	}
	slices.Sort(all)
	t.known[key] = slices.Compact(all)
	return t.known[key], nil
}

// gone says whether a worker is of this home and does not live.
func (t *attendance) gone(worker string) bool {
	_, lives := t.living[worker]
	return t.e.crew.ours(worker) && !lives
}

// of returns who works on a run.
func (t *attendance) of(ctx context.Context, r runInfo) ([]string, error) {
	if r.State != stateOpen {
		return nil, nil
	}
	return t.serving(ctx, r.queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
}

// missing says of the steps of a run that are to be done, and that nobody is at, what they wait for.
func (t *attendance) missing(ctx context.Context, h *runHistory, all []*workflow.PendingActivityInfo) error {
	if t == nil {
		return nil
	}
	for _, p := range all {
		steps := h.asked[p.GetActivityId()]
		if len(steps) == 0 {
			continue
		}
		waits, why, err := t.held(ctx, h, p)
		if err != nil {
			return err
		}
		for _, req := range steps {
			s := h.step(req.Step)
			if waits {
				s.State = workflows.Waiting
			}
			if why != "" {
				s.Why = why
			}
		}
	}
	return nil
}

// held says whether nobody is at an activity that is to be done, and what it waits for, if there is more to say.
func (t *attendance) held(ctx context.Context, h *runHistory, p *workflow.PendingActivityInfo) (waits bool, why string, err error) {
	if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
		if t.gone(p.GetLastWorkerIdentity()) {
			return true, "the process that did it has ended", nil
		}
		return false, "", nil
	}
	who, err := t.serving(ctx, h.queue[p.GetActivityId()], enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err == nil && len(who) == 0 {
		why = "no worker serves " + queueName(h.queue[p.GetActivityId()])
	}
	return true, why, err
}

// advice is what to do about a run on which nobody works.
func (t *attendance) advice(run string) string {
	if t.e.ours() && len(t.living) > 0 {
		return "none: those there are wait for an engine; `cairn server` runs one"
	}
	return fmt.Sprintf("none: `cairn worker`, or `cairn resume %s`, goes on with it", run)
}

// hires is how long a worker that was just started may take to ask for work.
const hires = 3 * time.Second

// attended waits a moment for workers of the store, on behalf of a flag.
func (e *engine) attended(ctx context.Context, flag string) error {
	for began := time.Now(); time.Since(began) < hires; {
		t, err := e.attendance()
		if err != nil {
			return err
		}
		if all, err := t.serving(ctx, activities.ControlQueue(e.store, e.code), enumspb.TASK_QUEUE_TYPE_WORKFLOW); err != nil || len(all) > 0 {
			return err
		}
		select {
		case <-time.After(2 * again):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return exit(exitFailed, "%s: no worker serves this store, so nothing would happen; start `cairn worker`, with the same --home, --store and --address, and do this again", flag)
}

// queueName is the last part of a queue's name, which the manifest and the command line use.
func queueName(queue string) string { return queue[strings.LastIndex(queue, "-")+1:] }
