package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/workflows"
)

// standing is where a run stood when somebody came to go on with it: what is done, what is left, and what of that
// will be done again.
type standing struct {
	Planned   bool      `json:"planned"` // or else what is left is not known yet
	Done      int       `json:"done"`
	Left      int       `json:"left"`
	Failed    int       `json:"failed"`            // with what needs them; not tried again by this run
	Blocked   int       `json:"blocked,omitempty"` // and begun when what they need has come
	Elsewhere int       `json:"elsewhere"`         // of what is left: under way in another process
	Again     []restart `json:"again"`             // of what is left: under way when their worker ended
}

// restart is a step that was under way, and what is left of that.
type restart struct {
	Step       string `json:"step"`
	Checkpoint int64  `json:"checkpoint,omitempty"` // step of the training that it goes on from
	Steps      int64  `json:"steps,omitempty"`      // of the training
	Downloaded int64  `json:"downloaded,omitempty"` // bytes
	Size       int64  `json:"size,omitempty"`       // of the files that these are of
	Stored     int64  `json:"stored,omitempty"`     // bytes of the artifact that are in the store
	Why        string `json:"why,omitempty"`        // its last try ended
}

// stands reads how an open run stands. It has to be asked before the workers of this process begin.
func (a *app) stands(ctx context.Context, there *attendance, w *workshop, h *runHistory) (*standing, error) {
	s := &standing{Planned: h.planned, Done: h.cached, Left: h.later, Again: []restart{}}
	vain := h.vain()
	for _, step := range h.steps {
		switch {
		case step.State == workflows.Ran || step.State == workflows.Cached:
			s.Done++
		case step.State == workflows.Blocked:
			s.Blocked++
		case vain[step.Name] || step.State != workflows.Waiting && step.State != workflows.Running:
			s.Failed++
		default:
			s.Left++
		}
	}
	executor := w.suite(a, runOptions{}, nil).Executor
	for _, p := range h.open {
		asked := h.asked[p.GetActivityId()]
		switch {
		case !begun(p):
			continue
		case p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && !there.gone(p.GetLastWorkerIdentity()):
			s.Elsewhere += len(asked)
			continue
		}
		for _, req := range asked {
			left, err := executor.Left(ctx, req, lastCheckpoint(p))
			if err != nil {
				return nil, fmt.Errorf("look for what is left of %s: %w", req.Step, err)
			}
			s.add(req.Step, left, message(p.GetLastFailure()))
		}
	}
	return s, nil
}

// add counts a step that was under way. Its worker may have ended between the result and the word of it.
func (s *standing) add(step string, l execute.Left, why string) {
	if l.Done {
		s.Done++
		s.Left--
		return
	}
	s.Again = append(s.Again, newRestart(step, l, why))
}

// stand is stands for who has not looked yet who works.
func (a *app) stand(ctx context.Context, e *engine, w *workshop, h *runHistory) (*standing, error) {
	there, err := e.attendance()
	if err != nil {
		return nil, err
	}
	return a.stands(ctx, there, w, h)
}

// begun says whether a step has left the queue.
func begun(p *workflow.PendingActivityInfo) bool {
	return p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED || p.GetAttempt() > 1
}

// lastCheckpoint is what the last sign of life told of, "" if it told of none.
func lastCheckpoint(p *workflow.PendingActivityInfo) (d digest.Digest) {
	if decode(p.GetHeartbeatDetails(), &d) != nil || d.Validate() != nil {
		return ""
	}
	return d
}

// waitsFor is what the last sign of life said of the step: for whom it waits; "" if for nobody.
func waitsFor(p *workflow.PendingActivityInfo) string {
	var d digest.Digest
	var word suite.Word
	if p.GetLastHeartbeatTime().AsTime().Before(p.GetLastStartedTime().AsTime()) { // it is of an earlier try
		return ""
	}
	if len(p.GetHeartbeatDetails().GetPayloads()) != 2 || decodeAll(p.GetHeartbeatDetails(), &d, &word) != nil {
		return ""
	}
	return word.Waits
}

func newRestart(step string, l execute.Left, why string) restart {
	return restart{Step: step, Checkpoint: l.Checkpoint, Steps: l.Steps, Downloaded: l.Download.Bytes, Size: max(l.Download.Size, 0), Stored: l.Saved, Why: why}
}

// from says where a step goes on.
func (b restart) from() string {
	var parts []string
	if b.Checkpoint > 0 {
		parts = append(parts, fmt.Sprintf("from its checkpoint at step %d%s", b.Checkpoint, of(b.Steps, fmt.Sprint(b.Steps))))
	}
	if b.Downloaded > 0 {
		parts = append(parts, fmt.Sprintf("%s%s have arrived", size(float64(b.Downloaded)), of(b.Size, size(float64(b.Size)))))
	}
	if b.Stored > 0 {
		parts = append(parts, size(float64(b.Stored))+" are in the store")
	}
	if len(parts) == 0 {
		return "from its start"
	}
	return strings.Join(parts, ", ")
}

func of(n int64, text string) string {
	if n <= 0 {
		return ""
	}
	return " of " + text
}

// fewAgain are named in words, of steps that were under way.
const fewAgain = 20

// print says it in words.
func (s *standing) print(out io.Writer) {
	fmt.Fprintf(out, "%d %s done, ", s.Done, either(s.Done, "step is", "steps are"))
	if !s.Planned {
		fmt.Fprintln(out, "what is left is found out first")
		return
	}
	fmt.Fprintf(out, "%d %s left", s.Left, either(s.Left, "is", "are"))
	if n := len(s.Again); n > 0 {
		fmt.Fprintf(out, "; %d of these %s under way when it stopped and %s begun again", n, either(n, "was", "were"), either(n, "is", "are"))
	}
	if n := s.Elsewhere; n > 0 {
		fmt.Fprintf(out, "; %d %s under way in another process, and begun again if that gives no sign of life", n, either(n, "is", "are"))
	}
	if n := s.Blocked; n > 0 {
		fmt.Fprintf(out, "; %d %s blocked: `cairn status RUN` says what %s", n, either(n, "is", "are"), either(n, "it needs", "they need"))
	}
	if n := s.Failed; n > 0 {
		fmt.Fprintf(out, "; %d %s no result and %s not tried again by this run", n, either(n, "has", "have"), either(n, "is", "are"))
	}
	fmt.Fprintln(out)
	for i, b := range s.Again {
		if i == fewAgain {
			fmt.Fprintf(out, "  again  %d more\n", len(s.Again)-i)
			return
		}
		fmt.Fprintf(out, "  again  %-32s  %s\n", b.Step, b.from())
	}
}

func either(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
