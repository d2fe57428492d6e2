package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/deploy/embedded"
)

// engine is a connected Temporal: one in this process, one in another process of this home, or a cluster.
type engine struct {
	client client.Client
	store  string // names this home's store, and so its task queues
	code   int    // version of the workflow code, which does, too
	ours   bool   // whether it lives and ends with this process
	exits  bool   // the process ends next, which stops everything at once
	work   []worker.Worker
	stop   func()

	interrupted func() bool
	busy        func() bool     // whether its workers are at steps
	gone        <-chan struct{} // closed when the other process that runs it has ended; nil if there is none
}

// close ends what this process has of the engine. The database is safe at any moment, so a process that is
// about to end just ends, unless it was interrupted: then the steps under way are told, and save what they can.
func (e *engine) close() {
	if !e.exits || e.interrupted() || e.busy() {
		e.dismiss()
	}
	if !e.exits && e.client != nil {
		e.client.Close()
	}
	e.stop()
}

// dismiss stops the workers. What they are at is told, saves what it can, and is free for others.
func (e *engine) dismiss() {
	var all sync.WaitGroup
	for _, w := range e.work {
		all.Go(w.Stop)
	}
	all.Wait()
}

// errLost says that the process that ran the engine has ended.
var errLost = errors.New("the process that ran the engine has ended")

// whileThere returns a context that also ends when the engine is lost.
func (e *engine) whileThere(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-e.gone:
			cancel(errLost)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// lost says whether an error is there because the engine is not. A broken connection may be seen a moment before
// the end of the process that broke it.
func (e *engine) lost(ctx context.Context, err error) bool {
	if err == nil || e.gone == nil || ctx.Err() != nil {
		return false
	}
	var unavailable *serviceerror.Unavailable
	if errors.As(err, &unavailable) {
		select {
		case <-e.gone:
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
	select {
	case <-e.gone:
		return ctx.Err() == nil
	default:
		return false
	}
}

// stay does something with the engine, and again with another one if it was lost on the way: whoever needs an
// engine and finds none runs it himself.
func (a *app) stay(ctx context.Context, w *workshop, do func(context.Context, *engine) error) error {
	for {
		e, err := a.connect(ctx, w)
		if err != nil {
			return err
		}
		there, cancel := e.whileThere(ctx)
		err = do(there, e)
		cancel()
		if !e.lost(ctx, err) {
			e.close()
			return err
		}
		fmt.Fprintln(a.Stderr, "the process that ran the engine has ended; this one goes on without it")
		e.client.Close() // first, or the steps that are told would try to answer the engine that is gone
		e.dismiss()
	}
}

// connect finds the engine: a cluster if an address is configured, else the one of this home.
func (a *app) connect(ctx context.Context, w *workshop) (*engine, error) {
	worker.SetBinaryChecksum(version()) // or the first worker hashes this program, which is half of a start
	store, err := w.id()
	if err != nil {
		return nil, err
	}
	e := &engine{store: store, code: a.Release.workflows(), exits: a.Exits, stop: func() {}, interrupted: func() bool { return ctx.Err() != nil }, busy: func() bool { return false }}
	cluster, remote, err := a.cluster()
	if err != nil {
		return nil, err
	}
	if remote {
		e.client, err = client.DialContext(ctx, cluster)
		if err != nil {
			return nil, fmt.Errorf("connect to the Temporal cluster at %s: %w", cluster.HostPort, err)
		}
		return e, nil
	}
	if err := a.embed(ctx, filepath.Join(w.dir, "engine"), e); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// embed joins the engine of this home if another process runs it, and starts it otherwise.
func (a *app) embed(ctx context.Context, dir string, e *engine) error {
	opts := client.Options{Logger: quiet{}}
	box, err := a.startOrJoin(ctx, dir, e, opts)
	if err != nil || box == nil {
		return err
	}
	if m := box.Moved; m != (embedded.Moved{}) {
		fmt.Fprintf(a.Stderr, "the engine's database %s. It is now %s. What its runs had done is in the store, and `%s run MANIFEST` finds it\n", m.Why, m.To, a.typed())
	}
	e.ours, e.stop = true, box.Leave
	if !a.Exits {
		e.stop = box.Stop
	}
	e.client, err = box.Client(opts)
	return err
}

// startOrJoin returns the engine if it runs in this process, nil if it has joined that of another one. Who comes
// while another process starts or ends waits for it.
func (a *app) startOrJoin(ctx context.Context, dir string, e *engine, opts client.Options) (*embedded.Engine, error) {
	said, began := false, time.Now()
	var gone <-chan struct{}
	for {
		box, running := embedded.Start(dir, embedded.Options{})
		if !errors.Is(running, embedded.ErrRunning) {
			return box, running
		}
		var err error
		if gone == nil {
			if gone, err = embedded.Gone(dir); err != nil {
				return nil, err
			}
		}
		if e.client, err = embedded.Dial(ctx, dir, opts); err == nil {
			e.gone = gone
			return nil, nil
		}
		if !errors.Is(err, embedded.ErrAway) {
			return nil, err
		}
		if !said && time.Since(began) > time.Second {
			said = true
			fmt.Fprintf(a.Stderr, "waiting: %v, and it is just starting or ending\n", running)
		}
		select {
		case <-gone:
			gone = nil
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// cluster reads where a Temporal cluster is from --address, or from TEMPORAL_* and the profile that they name,
// as Temporal's own tools do. No address means none.
func (a *app) cluster() (client.Options, bool, error) {
	opts, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: environment(a.Lookup)})
	if err != nil {
		return client.Options{}, false, &usageError{fmt.Errorf("TEMPORAL_* environment: %w", err)}
	}
	if a.address != "" {
		opts.HostPort = a.address
	}
	opts.Logger = quiet{}
	return opts, opts.HostPort != "", nil
}

// environment is the World's, as envconfig wants it.
type environment func(string) (string, bool)

// LookupEnv returns a variable.
func (e environment) LookupEnv(name string) (string, bool) { return e(name) }

// Environ lists no variables: they would only add gRPC headers.
func (e environment) Environ() []string { return nil }

// employ starts this process's workers.
func (e *engine) employ(ctx context.Context, s *suite.Suite, jobs int) error {
	if e.ours {
		if err := e.takeBack(ctx); err != nil {
			return fmt.Errorf("go on with interrupted runs: %w", err)
		}
	}
	e.busy, s.Version = s.Busy, e.code
	for _, w := range s.Workers(e.client, e.store, limits(jobs)) {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		e.work = append(e.work, w)
	}
	return nil
}

// takeBack ends the steps that a process which is gone was at. This process has just started the engine, so no
// other worker of it can be alive; to wait until their heartbeats are missed would cost half a minute.
func (e *engine) takeBack(ctx context.Context) error {
	runs, err := e.list(ctx)
	if err != nil {
		return err
	}
	gone := temporal.NewApplicationErrorWithOptions("the process that did it has ended", activities.Interrupted, temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})
	for _, r := range runs {
		if r.State != stateOpen {
			continue
		}
		d, err := e.client.DescribeWorkflowExecution(ctx, r.Run, "")
		if err != nil {
			return err
		}
		for _, p := range d.GetPendingActivities() {
			if p.GetState() != enumspb.PENDING_ACTIVITY_STATE_STARTED {
				continue
			}
			if err := e.client.CompleteActivityByID(ctx, embedded.Namespace, r.Run, "", p.GetActivityId(), nil, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

func limits(jobs int) suite.Limits {
	if jobs > 0 {
		return suite.Limits{IO: jobs, CPU: jobs, GPU: 1}
	}
	return suite.Limits{IO: 4, CPU: runtime.GOMAXPROCS(0), GPU: 1}
}

// storeID names the store of a home for as long as the home lives. Of processes that come first together one
// gives the name, under a lock, which file systems without hard links have too.
func storeID(home string) (string, error) {
	file := filepath.Join(home, "id")
	text, err := os.ReadFile(file)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	release, err := cas.LockFile(context.Background(), file+".lock", "naming the store", nil)
	if err != nil {
		return "", err
	}
	defer release()
	text, err = os.ReadFile(file)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	id := strings.ToLower(rand.Text()[:12])
	return id, cas.ReplaceFile(home, file, []byte(id+"\n"))
}

// quiet drops the SDK's log; what matters comes back as errors.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

var _ log.Logger = quiet{}
