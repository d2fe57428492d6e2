package activities_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
)

// TestClasses: every type that is defined, or that some package marks an error with, is in the list, once.
func TestClasses(t *testing.T) {
	listed := map[string]int{}
	for _, c := range activities.Classes() {
		listed[c.Type]++
		if c.Is == "" || c.Do == "" || activities.ClassOf(c.Type) != c {
			t.Errorf("class %+v does not say what it is and what to do, or is not found", c)
		}
	}
	used := marks(t)
	if len(used) < 8 {
		t.Fatalf("only these marks were found: %v", used)
	}
	for _, name := range used {
		if listed[name] != 1 {
			t.Errorf("type %s is in the list %d times", name, listed[name])
		}
	}
	if len(listed) != len(activities.Classes()) {
		t.Errorf("a type is listed twice: %v", listed)
	}
	if c := activities.ClassOf("of a later version"); c.Type != activities.Passing {
		t.Errorf("an unknown type is of class %s", c.Type)
	}
}

// marks lists the constants of this package that other packages mark errors with, by reading the sources.
func marks(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	err := fs.WalkDir(os.DirFS(".."), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), "../"+p, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if fun, ok := call.Fun.(*ast.SelectorExpr); ok && (fun.Sel.Name == "Permanent" || fun.Sel.Name == "Pass") {
				if kind, ok := call.Args[0].(*ast.SelectorExpr); ok {
					seen[kind.Sel.Name] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for name := range seen {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// TestReport: what the server is told of an error of each class.
func TestReport(t *testing.T) {
	log := digest.FromString("log")
	for _, c := range activities.Classes() {
		for _, faults := range []int{1, 3, activities.MaxFaults} {
			err := fmt.Errorf("fetch/x: %w", activities.WithLog(activities.Pass(c.Type, 0, errors.New("cause")), log))
			var app *temporal.ApplicationError
			if !errors.As(activities.ReportTry(fmt.Errorf("wrapped: %w", err), faults), &app) {
				t.Fatal("no error that the server understands")
			}
			final := c.Again == activities.Never || c.Again == activities.Paused && faults == activities.MaxFaults
			if app.Type() != c.Type || app.NonRetryable() != final || activities.LogOf(app) != log || !strings.HasPrefix(app.Message(), "wrapped: fetch/x: cause") {
				t.Errorf("%s, try %d: %v, final %v, log %s; want final %v", c.Type, faults, app, app.NonRetryable(), activities.LogOf(app), final)
			}
			if _, again := activities.NextTry(app); again == final {
				t.Errorf("%s, try %d: another try %v", c.Type, faults, again)
			}
		}
	}
	if err := activities.Report(fmt.Errorf("stopped: %w", context.Canceled)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled activity ends with %v", err)
	}
	var app *temporal.ApplicationError
	if err := activities.Report(activities.Permanent(activities.Failed, context.Canceled)); !errors.As(err, &app) || app.Type() != activities.Failed {
		t.Errorf("a plugin's own cancellation ends with %v", err)
	}
	if activities.Report(nil) != nil {
		t.Error("no error became one")
	}
}

// TestPauses: twenty tries take about an hour, and what a publisher asks for is kept.
func TestPauses(t *testing.T) {
	var all time.Duration
	for faults := 1; faults < activities.MaxFaults; faults++ {
		p := activities.Pause(faults)
		if p > activities.LongestPause || faults > 1 && p < activities.Pause(faults-1) {
			t.Errorf("pause %d is %v", faults, p)
		}
		all += p
	}
	if all < 50*time.Minute || activities.Pause(1) != activities.FirstPause || activities.Pause(1000) != activities.LongestPause || activities.Pause(0) != activities.FirstPause {
		t.Errorf("pauses take %v together", all)
	}
	if after, _ := activities.NextTry(activities.Report(activities.Pass(activities.Passing, time.Hour, errors.New("busy")))); after != time.Hour {
		t.Errorf("the next try comes after %v, want an hour", after)
	}
}
