// Package cli is the command line: one file a verb. Results go to stdout, everything else to stderr.
package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/credentials"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/gate"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/ledger"
	"github.com/cairn-bench/cairn/activities/origins"
	"github.com/cairn-bench/cairn/activities/pledge"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/recall"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/host"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDiffers     = 3
	exitUnknown     = 4 // not verifiable with what is here
	exitRefused     = 5 // by policy
	exitClaim       = 10
	exitInterrupted = 130
)

// World is everything the command line touches.
type World struct {
	Args           []string
	Stdout, Stderr io.Writer
	Lookup         func(string) (string, bool)
	Name           string // what the program was called by; "" is "cairn"
	Release        Release
	Exits          bool     // the process ends when Main returns, so that nothing needs to be stopped in order
	Self           []string // the command that is this program; nil finds it out

	Plugins func() (plugins.Set, error)           // nil for those that come with Cairn
	Hears   func(step string, p plugins.Progress) // if set, of each sign of progress of the steps that this process does
}

// exitError carries an exit code; an empty message has been printed already.
type exitError struct {
	code int
	msg  string
}

func (e *exitError) Error() string { return e.msg }

func exit(code int, format string, args ...any) error {
	return &exitError{code, fmt.Sprintf(format, args...)}
}

// app is one invocation.
type app struct {
	World
	json    bool
	home    string
	store   string
	trust   string
	address string
	host    *host.Host // starts plugins in processes of their own
	finder  *credentials.Finder
	opened  []*workshop
	goOn    string               // what goes on with what is interrupted
	view    atomic.Pointer[view] // of the run that is shown; nil if there is none
}

// Main runs one command line and returns the exit code.
func Main(ctx context.Context, w World) int {
	a := &app{World: w, finder: credentials.New(w.Lookup)}
	a.host = &host.Host{Lookup: w.Lookup, Owner: a.owner}
	root := a.root()
	root.SetArgs(w.Args)
	root.SetOut(w.Stdout)
	root.SetErr(w.Stderr)
	err := root.ExecuteContext(ctx)
	a.leave()
	var coded *exitError
	switch {
	case err == nil:
		return exitOK
	case activities.Kind(err) == activities.Refused:
		fmt.Fprintln(w.Stderr, "cairn:", err)
		return exitRefused
	case errors.As(err, &coded):
		if coded.msg != "" {
			fmt.Fprintln(w.Stderr, "cairn:", coded.msg)
		}
		return coded.code
	case ctx.Err() != nil:
		fmt.Fprintln(w.Stderr, "cairn: interrupted;", cmp.Or(a.goOn, "the same command does it again"))
		return exitInterrupted
	}
	fmt.Fprintln(w.Stderr, "cairn:", err)
	if isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

// isUsage says whether an error is the fault of what was typed or written.
func isUsage(err error) bool {
	var bad manifests.Errors
	var usage *usageError
	return activities.Kind(err) == activities.Invalid || errors.As(err, &bad) || errors.As(err, &usage)
}

type usageError struct{ error }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "cairn",
		Short:         "Rebuild a clinical benchmark from its manifest, and prove it",
		SilenceUsage:  true,
		SilenceErrors: true,

		SuggestionsMinimumDistance: 2,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := "`cairn --help` lists the verbs"
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return &usageError{fmt.Errorf("there is no verb %q; %s", args[0], hint)}
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "one JSON object on stdout")
	root.PersistentFlags().StringVar(&a.home, "home", "", "folder of store, cache and engine (default $CAIRN_HOME, else $XDG_DATA_HOME/cairn)")
	root.PersistentFlags().StringVar(&a.store, "store", "", "oci://host/repository that homes share as their store (default $CAIRN_STORE, else none)")
	root.PersistentFlags().StringVar(&a.trust, "trust", "", "trust policy: whose signatures count (default $CAIRN_TRUST, else trust.yaml in the home, else all are told and nobody is refused)")
	root.PersistentFlags().StringVar(&a.address, "address", "", "host:port of a Temporal cluster (default: TEMPORAL_ADDRESS or the TEMPORAL_PROFILE, else the engine in the box)")
	root.AddCommand(
		a.runCommand(), a.resumeCommand(), a.statusCommand(), a.cancelCommand(), a.logCommand(), a.serverCommand(), a.workerCommand(),
		a.planCommand(), a.explainCommand(), a.approveCommand(), a.fmtCommand(), a.schemaCommand(),
		a.verifyCommand(), a.challengeCommand(), a.attachCommand(), a.proveCommand(), a.diffCommand(), a.affectedCommand(), a.withdrawCommand(),
		a.showCommand(), a.lsCommand(), a.catCommand(), a.exportCommand(), a.pushCommand(), a.pullCommand(), a.gcCommand(), a.keyCommand(), a.ledgerCommand(), a.termsCommand(),
		a.pluginCommand(), a.catalogCommand(), a.doctorCommand(), a.versionCommand())
	return root
}

// args checks the number of arguments as a usage error.
func args(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return &usageError{fmt.Errorf("%w\nusage: %s", err, c.UseLine())}
		}
		return nil
	}
}

// print writes v as JSON if --json was given, else whatever text writes.
func (a *app) print(v any, text func(io.Writer)) error {
	if !a.json {
		text(a.Stdout)
		return nil
	}
	enc := json.NewEncoder(a.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (a *app) getenv(name string) string {
	v, _ := a.Lookup(name)
	return v
}

// homeDir is where the store, the action cache and the engine live.
func (a *app) homeDir() (string, error) {
	for _, dir := range []string{a.home, a.getenv("CAIRN_HOME")} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	if dir := a.getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "cairn"), nil
	}
	if dir := a.getenv("HOME"); dir != "" {
		return filepath.Join(dir, ".local", "share", "cairn"), nil
	}
	return "", exit(exitUsage, "no home: set CAIRN_HOME or HOME")
}

// store is what a run needs of a store.
type store interface {
	cas.Indexed
	cas.Uploader
}

// workshop is an opened home.
type workshop struct {
	dir       string
	layout    *cas.Layout        // of the home
	store     store              // the layout, or the shared store behind it
	remote    string             // name of the shared store, "" if there is none
	own       *actioncache.Cache // of the home
	cache     *actioncache.Cache // own, or shared with other homes
	plugins   plugins.Set
	resolver  *resolve.Resolver
	garbage   *gc.Home
	gate      *gate.Gate
	overrides *origins.Overrides // of the terms policy
	origins   *origins.Notes     // of data whose benchmark is not published
	book      *recall.Book
	key       keys.Signer
	ledger    *ledger.Ledger
	planned   digest.Digest // what this process has planned for the run
}

func (a *app) open() (*workshop, error) {
	dir, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	layout, err := cas.OpenLayout(filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	set, err := a.builtIn()
	if err != nil {
		return nil, err
	}
	own := actioncache.Open(filepath.Join(dir, "actions"), layout)
	w := &workshop{dir: dir, layout: layout, store: layout, own: own, cache: own, plugins: set, key: keys.Home(dir, a.getenv("CAIRN_KEY"))}
	if err := a.share(w); err != nil {
		return nil, err
	}
	w.ledger = ledger.Open(filepath.Join(dir, "ledger"), w.key, a.formerKeys(dir)...)
	w.layout.Waiting, w.own.Waiting, w.cache.Waiting = a.waiting, a.waiting, a.waiting
	w.own.At, w.cache.At = a.doing(), a.doing()
	w.gate = gate.Open(dir, w.key, a.formerKeys(dir)...)
	w.overrides, w.origins = origins.OpenOverrides(layout, w.key), origins.OpenNotes(dir)
	w.garbage = gc.Open(dir, a.who(), layout, w.own)
	w.cache.SetForgotten(w.garbage.Forgotten)
	w.book = recall.Open(filepath.Join(dir, "recall"), layout, own)
	a.opened = append(a.opened, w)
	w.resolver = &resolve.Resolver{Store: w.store, Cache: w.cache, Plugins: set, Env: a.env, Load: a.host.Load}
	return w, nil
}

// who names this process and what it does, for others that wait for it.
func (a *app) who() string {
	return fmt.Sprintf("process %d (cairn %s, since %s)", os.Getpid(), strings.Join(a.Args, " "), time.Now().Format(time.DateTime))
}

// waiting says who keeps this process.
func (a *app) waiting(h cas.Holder) { a.notice(fmt.Sprintf("waiting for %s\n", h)) }

// notice says something without breaking the view of a run.
func (a *app) notice(text string) {
	if v := a.view.Load(); v != nil {
		v.notice(text)
		return
	}
	fmt.Fprint(a.Stderr, text)
}

// doing is the command line of this process.
func (a *app) doing() string { return "cairn " + strings.Join(a.Args, " ") }

// leave gives up what this process keeps from being collected. If it cannot, the collector finds out by itself that
// the process is gone.
func (a *app) leave() {
	for _, w := range a.opened {
		_ = w.garbage.Close()
	}
}

func (a *app) env(dir string) plugins.Env {
	return plugins.Env{Dir: dir, Lookup: a.finder.Lookup, Trouble: a.finder.Trouble}
}

// suite is what this process's workers do.
func (w *workshop) suite(a *app, o runOptions, report func(string, plugins.Progress)) *suite.Suite {
	if show := report; a.Hears != nil {
		report = func(step string, p plugins.Progress) { a.Hears(step, p); show(step, p) }
	}
	return &suite.Suite{
		Home:     w.garbage,
		Resolver: w.resolver,
		Executor: &execute.Executor{
			Store: w.store, Cache: w.cache, Plugins: w.plugins, Env: a.env, Scratch: filepath.Join(w.dir, "scratch"),
			Workers: runtime.GOMAXPROCS(0), Builder: builder(), Key: w.key, Ledger: w.ledger, Now: time.Now, Report: report, Host: a.runner(o.isolate), Load: a.host.Load,
			Gate: w.gate, Checkpoints: filepath.Join(w.dir, "checkpoints"), Interval: o.checkpoint,
		},
		Publisher: w.publisher(),
	}
}

func (w *workshop) publisher() *publish.Publisher {
	return &publish.Publisher{Resolver: w.resolver, Tag: w.store.Tag, Names: w.layout.Index, Builder: builder(), Key: w.key, Ledger: w.ledger, Commitments: pledge.Open(w.dir), Now: time.Now}
}

// builder names this program in records.
func builder() provenance.Builder {
	return provenance.Builder{ID: "https://cairn-bench.github.io/cairn", Version: map[string]string{"cairn": version(), "go": runtime.Version()}}
}

// version is the version control's, where the program was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// manifest reads and checks a manifest file.
func (a *app) manifest(w *workshop, file string) (*manifests.Benchmark, []byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	b, err := w.resolver.Parse(file, text, filepath.Dir(file))
	return b, text, err
}
