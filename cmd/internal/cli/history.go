package cli

import (
	"github.com/opencontainers/go-digest"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// runHistory reads from the events of a run how its steps stand.
type runHistory struct {
	cached   int
	planned  bool // by this execution
	later    int  // steps that a later execution does
	earlier  bool // this is not the run's first execution
	steps    []runStep
	position map[string]int     // of a step in steps
	begun    map[int64][]string // event that scheduled an activity -> its steps
	queue    map[string]string  // activity ID -> task queue
	kinds    map[int64]string   // event that scheduled an activity -> its type

	asked   map[string][]activities.ExecuteRequest // activity ID -> the steps it does
	request *commonpb.Payloads                     // of this execution
	plan    digest.Digest
	todo    []activities.Node // of this execution
	open    []*workflow.PendingActivityInfo
}

func newHistory() *runHistory {
	return &runHistory{position: map[string]int{}, begun: map[int64][]string{}, queue: map[string]string{}, kinds: map[int64]string{}, asked: map[string][]activities.ExecuteRequest{}}
}

// add takes the next event.
func (h *runHistory) add(ev *history.HistoryEvent) error {
	switch {
	case ev.GetWorkflowExecutionStartedEventAttributes() != nil:
		return h.started(ev.GetWorkflowExecutionStartedEventAttributes().GetInput())
	case ev.GetActivityTaskScheduledEventAttributes() != nil:
		return h.scheduled(ev)
	case ev.GetActivityTaskCompletedEventAttributes() != nil:
		x := ev.GetActivityTaskCompletedEventAttributes()
		return h.completed(x.GetScheduledEventId(), x.GetResult())
	case ev.GetActivityTaskFailedEventAttributes() != nil:
		x := ev.GetActivityTaskFailedEventAttributes()
		h.ended(x.GetScheduledEventId(), workflows.Failed, x.GetFailure())
	case ev.GetActivityTaskTimedOutEventAttributes() != nil:
		x := ev.GetActivityTaskTimedOutEventAttributes()
		h.ended(x.GetScheduledEventId(), workflows.Failed, x.GetFailure())
	case ev.GetActivityTaskCanceledEventAttributes() != nil:
		h.ended(ev.GetActivityTaskCanceledEventAttributes().GetScheduledEventId(), workflows.Cancelled, nil)
	case ev.GetWorkflowExecutionCompletedEventAttributes() != nil:
		return h.result(ev.GetWorkflowExecutionCompletedEventAttributes().GetResult())
	}
	return nil
}

// started takes over what earlier executions of a long run handed on.
func (h *runHistory) started(input *commonpb.Payloads) error {
	var req workflows.RebuildRequest
	if err := decode(input, &req); err != nil {
		return err
	}
	h.request = input
	if req.Earlier == nil {
		return nil
	}
	h.plan, h.earlier, h.cached = req.Earlier.Plan, true, req.Earlier.Cached
	for _, o := range req.Earlier.Steps {
		h.outcome(o)
	}
	return nil
}

func decode(p *commonpb.Payloads, into any) error { return decodeAll(p, into) }

func decodeAll(p *commonpb.Payloads, into ...any) error {
	return converter.GetDefaultDataConverter().FromPayloads(p, into...)
}

// own is the innermost failure, which is the activity's.
func own(f *failurepb.Failure) *failurepb.Failure {
	for f.GetCause() != nil {
		f = f.GetCause()
	}
	return f
}

func message(f *failurepb.Failure) string { return own(f).GetMessage() }

// logOf is the log that a failure names, "" if there is none.
func logOf(f *failurepb.Failure) digest.Digest {
	var d activities.Details
	if decode(own(f).GetApplicationFailureInfo().GetDetails(), &d) != nil {
		return ""
	}
	return d.Log
}

// missingOf is what a failure says is missing.
func missingOf(f *failurepb.Failure) []activities.Missing {
	var d activities.Details
	if decode(own(f).GetApplicationFailureInfo().GetDetails(), &d) != nil {
		return nil
	}
	return d.Missing
}

func (h *runHistory) scheduled(ev *history.HistoryEvent) error {
	x := ev.GetActivityTaskScheduledEventAttributes()
	h.kinds[ev.GetEventId()] = x.GetActivityType().GetName()
	asked, err := askedOf(x)
	if x.GetActivityType().GetName() == activities.Await {
		var req activities.AwaitRequest
		err = decode(x.GetInput(), &req)
		h.begun[ev.GetEventId()] = []string{req.Step}
	}
	for _, req := range asked {
		h.step(req.Step).State = workflows.Running
		h.begun[ev.GetEventId()] = append(h.begun[ev.GetEventId()], req.Step)
	}
	h.asked[x.GetActivityId()], h.queue[x.GetActivityId()] = asked, x.GetTaskQueue().GetName()
	return err
}

// askedOf lists the steps that an activity does.
func askedOf(x *history.ActivityTaskScheduledEventAttributes) ([]activities.ExecuteRequest, error) {
	switch x.GetActivityType().GetName() {
	case activities.Execute:
		var req activities.ExecuteRequest
		err := decode(x.GetInput(), &req)
		return []activities.ExecuteRequest{req}, err
	case activities.Many:
		var req activities.ManyRequest
		err := decode(x.GetInput(), &req)
		for i := range req.Steps {
			s := &req.Steps[i]
			s.Plan, s.Dir, s.Offline = req.Plan, req.Dir, req.Offline
		}
		return req.Steps, err
	}
	return nil, nil
}

// step returns the entry of a step, a new one if need be.
func (h *runHistory) step(name string) *runStep {
	i, ok := h.position[name]
	if !ok {
		i = len(h.steps)
		h.position[name] = i
		h.steps = append(h.steps, runStep{Name: name, State: workflows.Waiting})
	}
	return &h.steps[i]
}

func (h *runHistory) completed(scheduled int64, result *commonpb.Payloads) error {
	switch h.kinds[scheduled] {
	case activities.Prepare:
		var p activities.Prepared
		if err := decode(result, &p); err != nil {
			return err
		}
		if !h.earlier {
			h.cached = p.Cached
		}
		h.planned, h.later, h.plan, h.todo = true, p.Later, p.Plan, p.Todo
		for _, n := range p.Todo {
			h.step(n.Step)
		}
	case activities.Await:
		for _, name := range h.begun[scheduled] {
			*h.step(name) = runStep{Name: name, State: workflows.Waiting}
		}
	case activities.Execute:
		var r activities.Result
		if err := decode(result, &r); err != nil {
			return err
		}
		h.outcome(workflows.StepOutcome{Result: r, State: ranOrCached(r)})
	case activities.Many:
		var r activities.ManyResult
		if err := decode(result, &r); err != nil {
			return err
		}
		h.ended(scheduled, workflows.Waiting, nil) // those without a result
		for _, one := range r.Done {
			h.outcome(workflows.StepOutcome{Result: one, State: ranOrCached(one)})
		}
	}
	return nil
}

func ranOrCached(r activities.Result) string {
	if r.Cached {
		return workflows.Cached
	}
	return workflows.Ran
}

func (h *runHistory) outcome(o workflows.StepOutcome) {
	h.step(o.Step).take(o)
}

func (h *runHistory) ended(scheduled int64, state string, f *failurepb.Failure) {
	if h.kinds[scheduled] == activities.Await {
		return
	}
	for _, name := range h.begun[scheduled] {
		s := h.step(name)
		s.State, s.Why, s.Log = state, message(f), logOf(f)
		if kind := own(f).GetApplicationFailureInfo().GetType(); kind != "" {
			s.Class = activities.ClassOf(kind).Type
		}
		if s.Class == activities.Blocked {
			s.State, s.Missing = workflows.Blocked, missingOf(f)
		}
	}
}

// result is the run's own account, which also says what was skipped.
func (h *runHistory) result(p *commonpb.Payloads) error {
	var r workflows.Rebuilt
	if err := decode(p, &r); err != nil {
		return err
	}
	h.cached = r.Cached
	for _, o := range r.Steps {
		h.outcome(o)
	}
	return nil
}

// pending adds what the events do not say yet: how often a step was tried and why that failed, or for whom it waits.
func (h *runHistory) pending(all []*workflow.PendingActivityInfo) {
	h.open = all
	for _, p := range all {
		who := waitsFor(p)
		for _, req := range h.asked[p.GetActivityId()] {
			if s := h.step(req.Step); who != "" {
				s.Why = who
			} else if p.GetLastFailure() != nil {
				s.Why, s.Log = message(p.GetLastFailure()), logOf(p.GetLastFailure())
			}
		}
	}
}

// vain says of the steps of this execution which wait in vain: something they need has failed.
func (h *runHistory) vain() map[string]bool {
	vain := map[string]bool{}
	for _, n := range h.todo { // in an order in which each comes after what it needs
		lost := n.Blocked != ""
		for _, i := range n.After {
			before := h.todo[i].Step
			lost = lost || vain[before] || h.step(before).State == workflows.Failed
		}
		vain[n.Step] = lost
	}
	return vain
}
