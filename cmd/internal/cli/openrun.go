package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/workflows"
)

// Keys of a run's memo: what its history does not say in a form that everybody can read, now or in another release.
const (
	memoRequest = "request"
	memoFile    = "manifest"
	memoCode    = "workflows" // version of the workflow code
	memoProgram = "program"
)

// openRun is a run that has not ended, in the words of its memo.
type openRun struct {
	id      string
	request digest.Digest
	file    string
	code    int
	program string
}

// findOpen returns the open run of that ID, nil if none is open.
func findOpen(ctx context.Context, c client.Client, id string) (*openRun, error) {
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe run %s: %w", id, err)
	}
	info := d.GetWorkflowExecutionInfo()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, nil
	}
	all := info.GetMemo().GetFields()
	r := &openRun{id: id, request: digest.Digest(memo(all[memoRequest])), file: memo(all[memoFile]), program: cmp.Or(memo(all[memoProgram]), "another cairn")}
	if p := all[memoCode]; p != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(p, &r.code) // what cannot be read is another version
	}
	return r, nil
}

// memo reads a string of a memo, "" if it is not there.
func memo(p *commonpb.Payload) string {
	var s string
	if p == nil || converter.GetDefaultDataConverter().FromPayload(p, &s) != nil {
		return ""
	}
	return s
}

// begin starts an execution of a run, or joins the one that is open, as the policy has it.
func (a *app) begin(ctx context.Context, e *engine, id, file string, req workflows.RebuildRequest, policy enumspb.WorkflowIdConflictPolicy) (client.WorkflowRun, error) {
	request, err := canonical.Digest(req)
	if err != nil {
		return nil, err
	}
	run, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                activities.ControlQueue(e.store, e.code),
		WorkflowIDConflictPolicy: policy,
		Memo:                     map[string]any{memoRequest: request, memoFile: file, memoCode: e.code, memoProgram: a.Release.name()},
	}, workflows.RebuildName, req)
	if err != nil {
		return nil, fmt.Errorf("start run: %w", err)
	}
	return run, nil
}

// meet finds out what becomes of the open run of the same manifest when one is asked for, and says so. The run goes on,
// or, if nobody can be waiting for it, is given up for a new execution; what it had done is found in the store.
func (a *app) meet(ctx context.Context, e *engine, w *workshop, id string, request digest.Digest) (enumspb.WorkflowIdConflictPolicy, *standing, error) {
	const goOn, anew = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	r, err := findOpen(ctx, e.client, id)
	if err != nil {
		return goOn, nil, err
	}
	if r == nil {
		return goOn, nil, a.tellMoved(ctx, e, id)
	}
	if r.request != request {
		if !e.ours() {
			return goOn, nil, exit(exitFailed, "run %s is under way with this manifest as it was, or with other flags; wait for it, or `cairn cancel %s`", id, id)
		}
		fmt.Fprintln(a.Stderr, "an unfinished run of this manifest as it was, or with other flags, is given up; what it had done is in the store")
		return anew, nil, nil
	}
	h, err := readHistory(ctx, e.client, id)
	if err != nil {
		return goOn, nil, err
	}
	s, err := a.stand(ctx, e, w, h)
	if err != nil {
		return goOn, nil, err
	}
	why := r.otherCode(a.Release)
	if why == "" {
		if why, err = r.misfit(ctx, a.Release, w, h); err != nil {
			return goOn, nil, err
		}
	}
	switch {
	case why == "":
		a.tellStanding(id, s)
		return goOn, s, nil
	case e.ours():
		fmt.Fprintf(a.Stderr, "run %s %s; it is planned anew by this program, which finds what was done in the store\n", id, why)
		a.tellStanding(id, s)
		return anew, s, nil
	}
	return goOn, nil, exit(exitFailed, "run %s %s. %s", id, why, r.wayOut(a))
}

func (a *app) tellStanding(id string, s *standing) {
	fmt.Fprintf(a.Stderr, "run %s goes on: ", id)
	s.print(a.Stderr)
}

// otherCode says that the run was begun by another version of the workflow code; "" if it was not. A worker of this
// program could not replay it.
func (r *openRun) otherCode(this Release) string {
	if r.code == this.workflows() {
		return ""
	}
	return fmt.Sprintf("was begun by %s, whose workflows are version %d; this is %s, and its are version %d", r.program, r.code, this.name(), this.workflows())
}

// misfit says which steps that are not done this program cannot do as they were planned; "" if there are none.
func (r *openRun) misfit(ctx context.Context, this Release, w *workshop, h *runHistory) (string, error) {
	if h.plan == "" {
		return "", nil
	}
	p, err := resolve.ReadPlan(ctx, w.store, h.plan)
	if err != nil {
		return "", err
	}
	done := map[string]bool{}
	for _, s := range h.steps {
		done[s.Name] = s.State == workflows.Ran || s.State == workflows.Cached
	}
	todo := func(step string) bool { _, known := h.position[step]; return known && !done[step] }
	bad := execute.Misfits(w.plugins, p, todo)
	if len(bad) == 0 {
		return "", nil
	}
	text := fmt.Sprintf("was planned by %s, with plugins that this program, %s, does not have:", r.program, this.name())
	for i, b := range bad {
		if i == fewMisfits {
			return text + fmt.Sprintf(" and %d more steps", len(bad)-i), nil
		}
		text += fmt.Sprintf(" %s needs %s, here is %s;", b.Step, b.Want, cmp.Or(b.Have, "none"))
	}
	return text[:len(text)-1], nil
}

// fewMisfits are named in a message.
const fewMisfits = 5

// wayOut says what to type where a run is not gone on with.
func (r *openRun) wayOut(a *app) string {
	return fmt.Sprintf("Let %s finish it; or give it up with `%s cancel %s`, and `%s run %s` plans it anew and finds what was done in the store", r.program, a.typed(), r.id, a.typed(), display(r.file))
}

// anew begins a run anew that another version of the workflow code had begun, with the same request.
func (a *app) anew(ctx context.Context, e *engine, r *openRun, h *runHistory) (client.WorkflowRun, error) {
	req, err := h.asRequested()
	if err != nil {
		return nil, exit(exitFailed, "run %s %s, and was asked for in a way that this program does not know: %v. %s", r.id, r.otherCode(a.Release), err, r.wayOut(a))
	}
	return a.begin(ctx, e, r.id, r.file, req, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING)
}

// asRequested is what the first execution of the run was asked to do. A field that this program does not know is an
// error: it would do something else.
func (h *runHistory) asRequested() (req workflows.RebuildRequest, err error) {
	if len(h.request.GetPayloads()) != 1 {
		return req, errors.New("its request is not readable")
	}
	dec := json.NewDecoder(bytes.NewReader(h.request.GetPayloads()[0].GetData()))
	dec.DisallowUnknownFields()
	err = dec.Decode(&req)
	req.Earlier = nil
	return req, err
}

// tellMoved says which open runs of a benchmark of this name have lost their folder. This may be where it is now; they
// would stay open for good.
func (a *app) tellMoved(ctx context.Context, e *engine, id string) error {
	all, err := e.list(ctx)
	if err != nil {
		return err
	}
	name := id[:strings.LastIndexByte(id, '-')]
	for _, r := range all {
		if r.State != stateOpen || r.Run == id || !strings.HasPrefix(r.Run, name+"-") {
			continue
		}
		dir := filepath.Dir(r.Manifest)
		if _, err := os.Stat(dir); err != nil {
			fmt.Fprintf(a.Stderr, "run %s of %s, which is not there now, is still open; if this is it, `%s cancel %s` gives that one up\n", r.Run, dir, a.typed(), r.Run)
		}
	}
	return nil
}

// astray says that the folder of the run's manifest is not there; "" if it is. Its lock could not be written.
func (r *openRun) astray(a *app) string {
	dir := filepath.Dir(r.file)
	if _, err := os.Stat(dir); err == nil {
		return ""
	}
	return fmt.Sprintf("run %s is of %s, and that folder is not there. If it was moved, `%s run NEW-FOLDER/%s` goes on with what is done; `%s cancel %s` gives this run up",
		r.id, dir, a.typed(), filepath.Base(r.file), a.typed(), r.id)
}
