package cli

import (
	"cmp"
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

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/deploy/embedded"
)

// engine is a connected Temporal: one in this process, one in another process of this home, or a cluster.
type engine struct {
	client    client.Client
	namespace string
	store     string // names this home's store, and so its task queues
	code      int    // version of the workflow code, which does, too
	exits     bool   // the process ends next, which stops everything at once
	work      []worker.Worker
	member    *member // of the crew, if this process works

	crew crew // of the home

	interrupted func() bool

	mu  sync.Mutex
	box *embedded.Engine // if it runs in this process
	at  func() []string  // what its workers are at
}

// ours says whether the engine lives and ends with this process.
func (e *engine) ours() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.box != nil
}

// settle says where the engine runs from now on.
func (e *engine) settle(box *embedded.Engine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.box = box
}

// underWay returns what the workers of this process are at.
func (e *engine) underWay() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at == nil {
		return nil
	}
	return e.at()
}

// close ends what this process has of the engine. The database is safe at any moment, so a process that is
// about to end just ends, unless it was interrupted: then the steps under way are told, and save what they can.
func (e *engine) close() {
	if !e.exits || e.interrupted() || len(e.underWay()) > 0 {
		e.dismiss()
	}
	if !e.exits && e.client != nil {
		e.client.Close()
	}
	if !e.exits && e.member != nil {
		e.member.leave()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.box == nil:
	case e.exits:
		e.box.Leave()
	default:
		e.box.Stop()
	}
}

// dismiss stops the workers. What they are at is told, saves what it can, and is free for others.
func (e *engine) dismiss() {
	var all sync.WaitGroup
	for _, w := range e.work {
		all.Go(w.Stop)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		all.Wait()
	}()
	select {
	case <-stopped:
	case <-time.After(grace):
	}
}

// stay does something with the engine, and goes on with another one if it is lost on the way: whoever needs an
// engine and finds none runs it himself.
func (a *app) stay(ctx context.Context, w *workshop, do func(context.Context, *engine) error) error {
	return a.with(ctx, w, seat{a: a, dir: w.engine()}, do)
}

func (a *app) with(ctx context.Context, w *workshop, s seat, do func(context.Context, *engine) error) error {
	e, gone, err := a.connect(ctx, w, s)
	if err != nil {
		return err
	}
	there, end := context.WithCancelCause(ctx)
	var kept sync.WaitGroup
	kept.Go(func() {
		if err := s.keep(there, e, gone); err != nil {
			end(err)
		}
	})
	said := context.AfterFunc(ctx, func() { e.stopping(a) })
	defer func() {
		end(nil)
		kept.Wait()
		if said() && len(e.underWay()) > 0 {
			e.stopping(a)
		}
		e.close()
		e.overdue(a)
	}()
	if err := do(there, e); ctx.Err() != nil || there.Err() == nil {
		return err
	}
	return context.Cause(there)
}

// engine is the folder of the engine of a home.
func (w *workshop) engine() string { return filepath.Join(w.dir, "engine") }

// connect finds the engine: a cluster if an address is configured, else the one of this home. The channel is closed
// when the other process that runs it has ended; it is nil if there is none.
func (a *app) connect(ctx context.Context, w *workshop, s seat) (*engine, <-chan struct{}, error) {
	worker.SetBinaryChecksum(version()) // or the first worker hashes this program, which is half of a start
	store, err := w.id()
	if err != nil {
		return nil, nil, err
	}
	e := &engine{store: store, code: a.Release.workflows(), exits: a.Exits, interrupted: func() bool { return ctx.Err() != nil }}
	if e.crew, err = w.crew(); err != nil {
		return nil, nil, err
	}
	cluster, remote, err := a.cluster()
	if err != nil {
		return nil, nil, err
	}
	if remote {
		e.namespace = cmp.Or(cluster.Namespace, client.DefaultNamespace)
		e.client, err = client.DialContext(ctx, cluster)
		if err != nil {
			return nil, nil, fmt.Errorf("connect to the Temporal cluster at %s: %w", cluster.HostPort, err)
		}
		return e, nil, nil
	}
	e.namespace = embedded.Namespace
	for {
		box, gone, err := s.find(ctx)
		if err != nil {
			return nil, nil, err
		}
		e.settle(box)
		e.client, err = embedded.Dial(ctx, s.dir, clientOptions(client.Options{}))
		if errors.Is(err, embedded.ErrAway) && box == nil { // it was lost meanwhile
			select {
			case <-time.After(again):
				continue
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		}
		if err != nil {
			e.close()
		}
		return e, gone, err
	}
}

// patient does something again for as long as the engine is away. The SDK bears with that for a minute.
func patient(ctx context.Context, do func() error) error {
	for {
		err := do()
		var unavailable *serviceerror.Unavailable
		var late *serviceerror.DeadlineExceeded
		if ctx.Err() != nil || !errors.As(err, &unavailable) && !errors.As(err, &late) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
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
	return clientOptions(opts), opts.HostPort != "", nil
}

// clientOptions are those that every engine is talked to with.
func clientOptions(o client.Options) client.Options {
	o.Logger = quiet{}
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(whileAway))
	return o
}

// environment is the World's, as envconfig wants it.
type environment func(string) (string, bool)

// LookupEnv returns a variable.
func (e environment) LookupEnv(name string) (string, bool) { return e(name) }

// Environ lists no variables: they would only add gRPC headers.
func (e environment) Environ() []string { return nil }

// employ starts this process's workers, after it has taken back what others left.
func (e *engine) employ(ctx context.Context, a *app, s *suite.Suite, l suite.Limits) error {
	care := newCaretaker(e)
	if err := care.look(ctx); err != nil {
		return fmt.Errorf("go on with interrupted runs: %w", err)
	}
	go care.watch(ctx)
	m, err := e.crew.join(a.doing())
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.member, e.at = m, s.UnderWay
	e.mu.Unlock()
	s.Name, s.Version = m.name, e.code
	for _, w := range s.Workers(e.client, e.store, l) {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		e.work = append(e.work, w)
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
