package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

func (a *app) logCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "log RUN",
		Short: "Show what happened in a run, in order",
		Args:  args(1),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := a.open()
			if err != nil {
				return err
			}
			return a.with(c.Context(), w, seat{a: a, dir: w.engine(), looks: true}, func(ctx context.Context, e *engine) error {
				return a.log(ctx, e, args[0], follow)
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return c
}

// logLine is one thing that happened.
type logLine struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	Step   string    `json:"step,omitempty"`
	Event  string    `json:"event"`
	Says   string    `json:"says,omitempty"`

	Log digest.Digest `json:"log,omitempty"` // of a try that failed
}

// log prints the events of a run that mean something to a person, each as soon as it is there.
func (a *app) log(ctx context.Context, e *engine, id string, follow bool) error {
	if _, err := e.find(ctx, id); err != nil {
		return err
	}
	h := newHistory()
	seen := int64(0)
	return patient(ctx, func() error {
		events := e.client.GetWorkflowHistory(ctx, id, "", follow, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			ev, err := events.Next()
			if err != nil {
				return fmt.Errorf("read history of %s: %w", id, err)
			}
			if ev.GetEventId() <= seen { // before the engine was lost
				continue
			}
			seen = ev.GetEventId()
			if err := h.add(ev); err != nil {
				return fmt.Errorf("read history of %s: event %d: %w", id, seen, err)
			}
			if err := a.logEvent(h, ev); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) logEvent(h *runHistory, ev *history.HistoryEvent) error {
	for _, l := range h.describe(ev) {
		l.Schema, l.Time = "cairn/log/v1", ev.GetEventTime().AsTime()
		var err error
		if a.json {
			err = json.NewEncoder(a.Stdout).Encode(l)
		} else {
			_, err = fmt.Fprintf(a.Stdout, "%s  %-10s %s\n", l.Time.Local().Format("2006-01-02 15:04:05.000"), l.Event, join(l.Step, withLog(l.Says, l.Log)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func join(step, says string) string {
	if step == "" || says == "" {
		return step + says
	}
	return step + "  " + says
}

// describe puts an event that was added into words; most events are Temporal's own affair.
func (h *runHistory) describe(ev *history.HistoryEvent) []logLine {
	switch ev.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		return []logLine{{Event: "started"}}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		return []logLine{{Event: "completed"}}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		return []logLine{{Event: "failed", Says: message(ev.GetWorkflowExecutionFailedEventAttributes().GetFailure())}}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		return []logLine{{Event: "given up"}}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		return h.each(ev.GetEventId(), logLine{Event: "to do"})
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		x := ev.GetActivityTaskStartedEventAttributes()
		l := logLine{Event: "begun"}
		if x.GetAttempt() > 1 {
			l.Says = fmt.Sprintf("try %d, after: %s", x.GetAttempt(), message(x.GetLastFailure()))
			l.Log = logOf(x.GetLastFailure())
		}
		return h.each(x.GetScheduledEventId(), l)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		scheduled := ev.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()
		if h.kinds[scheduled] == activities.Prepare {
			return []logLine{{Event: "planned", Says: fmt.Sprintf("%d steps to do, %d found in the cache", len(h.steps), h.cached)}}
		}
		return h.ending(scheduled)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		return h.ending(ev.GetActivityTaskFailedEventAttributes().GetScheduledEventId())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		return h.ending(ev.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId())
	}
	return nil
}

// each says something of every step of an activity.
func (h *runHistory) each(scheduled int64, l logLine) []logLine {
	var all []logLine
	for _, name := range h.begun[scheduled] {
		l.Step = name
		all = append(all, l)
	}
	return all
}

// ending is how the steps of an activity stand now that the activity has ended.
func (h *runHistory) ending(scheduled int64) []logLine {
	all := h.each(scheduled, logLine{})
	for i := range all {
		s := h.step(all[i].Step)
		all[i].Event, all[i].Says, all[i].Log = s.State, s.Why, s.Log
		if s.State == workflows.Ran {
			all[i].Says = fmt.Sprintf("%.1f s  %s", s.Seconds, short(s.Artifact))
		}
	}
	return all
}
