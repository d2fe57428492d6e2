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
	ours   bool   // whether it lives and ends with this process
	exits  bool   // the process ends next, which stops everything at once
	work   []worker.Worker
	stop   func()

	interrupted func() bool
}

// close ends what this process has of the engine. The database is safe at any moment, so a process that is
// about to end just ends, unless it was interrupted: then the steps under way are told, and save what they can.
func (e *engine) close() {
	if !e.exits || e.interrupted() {
		var all sync.WaitGroup
		for _, w := range e.work {
			all.Go(w.Stop)
		}
		all.Wait()
	}
	if !e.exits && e.client != nil {
		e.client.Close()
	}
	e.stop()
}

// connect finds the engine: a cluster if an address is configured, else the one of this home.
func (a *app) connect(ctx context.Context, w *workshop) (*engine, error) {
	store, err := w.id()
	if err != nil {
		return nil, err
	}
	e := &engine{store: store, exits: a.Exits, stop: func() {}, interrupted: func() bool { return ctx.Err() != nil }}
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
	box, err := embedded.Start(dir, embedded.Options{})
	if errors.Is(err, embedded.ErrRunning) {
		e.client, err = embedded.Dial(ctx, dir, opts)
		return err
	}
	if err != nil {
		return err
	}
	if box.Moved != "" {
		fmt.Fprintf(a.Stderr, "the engine's database was of another version and is now %s; results are in the store\n", box.Moved)
	}
	e.ours, e.stop = true, box.Leave
	if !a.Exits {
		e.stop = box.Stop
	}
	e.client, err = box.Client(opts)
	return err
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
