package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/deploy/embedded"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/workflows"
)

type runOptions struct {
	only     []string
	locked   bool
	progress string
	jobs     int
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run MANIFEST",
		Short: "Rebuild a benchmark; only what changed is done again",
		Args:  args(1),
		RunE:  func(c *cobra.Command, args []string) error { return a.run(c.Context(), args[0], o) },
	}
	c.Flags().StringSliceVar(&o.only, "only", nil, "do only these steps and what they need; no lock is written")
	c.Flags().BoolVar(&o.locked, "locked", false, "fail with exit code 3 if the result is not what the lock says; leave the lock alone")
	c.Flags().StringVar(&o.progress, "progress", "auto", "none, plain or fancy")
	c.Flags().IntVarP(&o.jobs, "jobs", "j", 0, "steps of one kind at a time (default: one CPU step a core, four fetches)")
	return c
}

func (a *app) run(ctx context.Context, file string, o runOptions) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	b, text, err := a.manifest(w, file)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return err
	}
	id, err := cas.PutBytes(ctx, w.layout, text)
	if err != nil {
		return err
	}
	view := newView(a.Stderr, o.progress, b.Name)
	e, err := a.engine(ctx, w, view, o.jobs)
	if err != nil {
		return err
	}
	defer e.close()
	started := time.Now()
	res, err := rebuild(ctx, e.client, workflows.RebuildRequest{Manifest: id, Dir: dir, Only: o.only}, b.Name, view)
	view.end()
	if err != nil {
		return err
	}
	return a.finish(ctx, w, b, file, o, res, time.Since(started))
}

// engine is a connected Temporal with workers of this process.
type engine struct {
	client client.Client
	close  func()
}

func (a *app) engine(ctx context.Context, w *workshop, v *view, jobs int) (*engine, error) {
	opts := client.Options{Logger: quiet{}}
	dir := filepath.Join(w.dir, "engine")
	e, err := embedded.Start(dir, embedded.Options{})
	var c client.Client
	leave := func() {}
	switch {
	case errors.Is(err, embedded.ErrRunning):
		if c, err = embedded.Dial(ctx, dir, opts); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		if e.Moved != "" {
			fmt.Fprintf(a.Stderr, "the engine's database was of another version and is now %s; results are in the store\n", e.Moved)
		}
		if c, err = e.Client(opts); err != nil {
			return nil, err
		}
		leave = e.Leave
	}
	workers := w.suite(a, v.progress).Workers(c, limits(jobs))
	for _, wk := range workers {
		if err := wk.Start(); err != nil {
			return nil, fmt.Errorf("start worker: %w", err)
		}
	}
	return &engine{client: c, close: leave}, nil
}

func limits(jobs int) suite.Limits {
	if jobs > 0 {
		return suite.Limits{IO: jobs, CPU: jobs, GPU: 1}
	}
	return suite.Limits{IO: 4, CPU: runtime.GOMAXPROCS(0), GPU: 1}
}

// rebuild starts the workflow, or joins the one that is under way, and waits for it.
func rebuild(ctx context.Context, c client.Client, req workflows.RebuildRequest, name string, v *view) (workflows.Rebuilt, error) {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       "rebuild-" + name,
		TaskQueue:                activities.ControlQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflows.RebuildName, req)
	if err != nil {
		return workflows.Rebuilt{}, fmt.Errorf("start run: %w", err)
	}
	v.watch(ctx, c, run)
	var out workflows.Rebuilt
	if err := run.Get(ctx, &out); err != nil {
		var app *temporal.ApplicationError
		if errors.As(err, &app) {
			return out, errors.New(app.Message())
		}
		return out, err
	}
	return out, nil
}

// runDocument is what `run --json` prints.
type runDocument struct {
	Schema    string        `json:"schema"`
	Manifest  string        `json:"manifest"`
	Benchmark digest.Digest `json:"benchmark,omitempty"`
	Lock      string        `json:"lock,omitempty"`
	Steps     []runStep     `json:"steps"`
	Results   []runResult   `json:"results"`
}

type runStep struct {
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	Plugin   string        `json:"plugin"`
	Action   digest.Digest `json:"action,omitempty"`
	Artifact digest.Digest `json:"artifact,omitempty"`
	State    string        `json:"state"`
	Seconds  float64       `json:"seconds"`
	Why      string        `json:"why,omitempty"`
}

type runResult struct {
	Evaluation string   `json:"evaluation"`
	Model      string   `json:"model"`
	Dataset    string   `json:"dataset"`
	Metric     string   `json:"metric"`
	Value      *float64 `json:"value"`
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
}

func (a *app) finish(ctx context.Context, w *workshop, b *manifests.Benchmark, file string, o runOptions, res workflows.Rebuilt, took time.Duration) error {
	doc := runDocument{Schema: "cairn/run/v1", Manifest: file, Results: []runResult{}}
	pl, err := resolve.ReadPlan(ctx, w.layout, res.Plan)
	if err != nil {
		return err
	}
	outcomes := map[string]workflows.StepOutcome{}
	for _, s := range res.Steps {
		outcomes[s.Step] = s
	}
	failed := 0
	for _, s := range pl.Steps {
		st := runStep{Name: s.Name, Kind: s.Plugin.Kind, Plugin: s.Plugin.String(), State: workflows.Cached}
		if out, ok := outcomes[s.Name]; ok {
			st.State, st.Action, st.Artifact, st.Seconds, st.Why = out.State, out.Action.Digest(), out.Artifact, out.Seconds, out.Error
		}
		if st.State == workflows.Failed || st.State == workflows.Skipped {
			failed++
		}
		doc.Steps = append(doc.Steps, st)
	}
	if res.Published == nil {
		if err := a.print(doc, func(out io.Writer) { printSteps(out, doc.Steps) }); err != nil {
			return err
		}
		if failed > 0 {
			return exit(exitFailed, "%d of %d steps have no result; what does not depend on them is done, and `cairn run %s` tries the rest again", failed, len(doc.Steps), file)
		}
		return nil
	}
	return a.published(ctx, w, b, file, o, res, doc, took)
}

func (a *app) published(ctx context.Context, w *workshop, b *manifests.Benchmark, file string, o runOptions, res workflows.Rebuilt, doc runDocument, took time.Duration) error {
	text, err := cas.ReadAll(ctx, w.layout, res.Published.Lock, 64<<20)
	if err != nil {
		return err
	}
	l, err := lock.Parse("benchmark.lock", text)
	if err != nil {
		return err
	}
	doc.Lock, doc.Benchmark = lockPath(file), res.Published.Benchmark
	for _, r := range l.Results {
		doc.Results = append(doc.Results, runResult{r.Evaluation, r.Model, r.Dataset, r.Metric, r.Value, r.Low, r.High})
	}
	for i, s := range doc.Steps {
		if e, ok := l.Find(s.Name); ok {
			doc.Steps[i].Action, doc.Steps[i].Artifact = e.Action, e.Artifact
		}
	}
	if err := writeLock(doc.Lock, text, o.locked); err != nil {
		return err
	}
	return a.print(doc, func(out io.Writer) { a.summary(out, file, doc, res, took) })
}

func lockPath(manifest string) string {
	return filepath.Join(filepath.Dir(manifest), "benchmark.lock")
}

// writeLock puts the lock beside the manifest, unless it is there already with the same bytes.
func writeLock(path string, text []byte, locked bool) error {
	have, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(have, text):
		return nil
	case locked && err != nil:
		return exit(exitUsage, "--locked: %v", err)
	case locked:
		return exit(exitDiffers, "--locked: the result is not what %s says; run without --locked to see what changed, or `cairn plan` for why", path)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func (a *app) summary(out io.Writer, file string, doc runDocument, res workflows.Rebuilt, took time.Duration) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DATASET\tMETRIC\tMODEL\tVALUE\t95 % INTERVAL")
	for _, r := range doc.Results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Dataset, r.Metric, r.Model, number(r.Value), interval(r.Low, r.High))
	}
	t.Flush()
	if len(res.Steps) == 0 {
		fmt.Fprintf(out, "\nnothing to do: all %d steps are done and unchanged (%.2f s)\n", res.Cached, took.Seconds())
	} else {
		fmt.Fprintf(out, "\n%d steps done, %d found in the cache (%.1f s)\n", len(res.Steps), res.Cached, took.Seconds())
	}
	fmt.Fprintf(out, "benchmark  %s\nlock       %s\n", doc.Benchmark, doc.Lock)
	fmt.Fprintf(out, "\nnext:\n  cairn verify %s --level bytes\n  cairn plan %s\n  cairn show %s\n", doc.Lock, file, doc.Benchmark)
}

func number(v *float64) string {
	if v == nil {
		return "undefined"
	}
	return fmt.Sprintf("%.3f", *v)
}

func interval(low, high *float64) string {
	if low == nil || high == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f to %.3f", *low, *high)
}

func printSteps(out io.Writer, steps []runStep) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.State, s.Name, s.Why)
	}
	t.Flush()
}

// quiet drops the SDK's log; what matters comes back as errors.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

var _ log.Logger = quiet{}
