package execute_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/plugins"
)

// process is how a subprocess fails.
type process struct{ outOfMemory, killed bool }

func (p process) Error() string     { return "exit status 137" }
func (p process) Log() []byte       { return []byte("MemoryError: 16 GiB\n") }
func (p process) OutOfMemory() bool { return p.outOfMemory }
func (p process) Killed() bool      { return p.killed }

// logOf is the log that an error leads to, as the server is told of it.
func (b *bench) logOf(t *testing.T, err error) string {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(activities.Report(err), &app) || activities.LogOf(app) == "" {
		t.Fatalf("%v leads to no log", err)
	}
	text, err := cas.ReadAll(t.Context(), b.Home.Store, activities.LogOf(app), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFailures: what a plugin's error is taken for, and what the log says of it.
func TestFailures(t *testing.T) {
	full := &cas.FaultError{Store: "/store", Doing: "put blob", Hint: "make room", Err: syscall.ENOSPC}
	for _, c := range []struct {
		name, kind string
		err        error
		says       []string
	}{
		{"its own", activities.Failed, errors.New("no header"), []string{"Failed: the plugin failed", "no header"}},
		{"network", activities.Network, plugins.Transient(errors.New("reset"), 0), []string{"Network: ", "*plugins.Fault"}},
		{"disk of the store", activities.Disk, fmt.Errorf("write: %w", full), []string{"Disk: ", "make room", "*cas.FaultError", "syscall.Errno"}},
		{"disk of the scratch folder", activities.Disk, &os.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, []string{"Disk: ", "*fs.PathError"}},
		{"process", activities.Crashed, process{}, []string{"Crashed: ", "exit status 137", "MemoryError"}},
		{"killed process", activities.Interrupted, fmt.Errorf("train: %w", process{killed: true}), []string{"Interrupted: "}},
		{"starved process", activities.OutOfMemory, fmt.Errorf("train: %w", process{true, true}), []string{"OutOfMemory: it was killed", "MemoryError: 16 GiB"}},
		{"forbidden", activities.Refused, activities.Permanent(activities.Refused, errors.New("forgotten")), []string{"Refused: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.On("fetch/x", func(context.Context) error { return c.err })
			_, err := b.do(t.Context(), "fetch/x")
			if activities.Kind(err) != c.kind {
				t.Errorf("%v is of type %q, want %q", err, activities.Kind(err), c.kind)
			}
			log := b.logOf(t, err)
			for _, want := range append(c.says, "step      fetch/x\n", "plugin    fetch/memory@1\n", "run       run-1, try 1\n", "began     2026-01-02T03:04:0") {
				if !strings.Contains(log, want) {
					t.Errorf("no %q in the log:\n%s", want, log)
				}
			}
		})
	}
}

// TestPanicLog: the stack says where, and nothing of the machine that built the program.
func TestPanicLog(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.On("fetch/x", func(context.Context) error { panic(plugins.Transient(errors.New("index 7"), 0)) })
	_, err = b.do(t.Context(), "fetch/x")
	log := b.logOf(t, err)
	if activities.Kind(err) != activities.Crashed || !strings.Contains(log, "execute_test.TestPanicLog.func1 (log_test.go:") || strings.Contains(log, here) {
		t.Errorf("%v\n%s", err, log)
	}
	b.Executor.Report = func(string, plugins.Progress) { panic("our own") }
	_, err = b.do(t.Context(), "fetch/x")
	if activities.Kind(err) != activities.Crashed {
		t.Errorf("a panic of ours is %v", err)
	}
}

// TestHidesSecrets: whatever a plugin says or throws of what it was given in confidence, and in whatever form.
func TestHidesSecrets(t *testing.T) {
	for name, said := range map[string]error{
		"as it is":   fmt.Errorf("GET https://u:%s@host/: 401%s", activitytest.Secret, strings.Repeat(" "+activitytest.Secret, 5000)),
		"of a fault": &plugins.Fault{Code: plugins.FaultForbidden, Err: errors.New(activitytest.Secret)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.On("fetch/x", func(context.Context) error { return said })
			_, err := b.do(t.Context(), "fetch/x")
			for where, text := range map[string]string{"log": b.logOf(t, err), "error": err.Error()} {
				for i := range len(activitytest.Secret) - 8 {
					if part := activitytest.Secret[i : i+8]; strings.Contains(text, part) {
						t.Fatalf("%q of the secret is in the %s", part, where)
					}
				}
				if !strings.Contains(text, "[PASSWORD]") {
					t.Errorf("the %s does not say what is hidden:\n%s", where, text[:min(len(text), 200)])
				}
			}
		})
	}
}
