package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// glutton is a fetch in Python that wants a number of MiB and may have fewer.
func glutton(t *testing.T, wants, may string) string {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	dir := t.TempDir()
	declaration := `{"schema":"cairn/plugin/v1","kind":"fetch","name":"glutton","version":"1","summary":"For tests.","command":["python3","main.py"],"determinism":"exact","memoryBytes":` + may + `}`
	script := "import json, sys\nr = json.load(sys.stdin)\nb = b'x' * (" + wants + " << 20)\nopen(r['output'] + '/a', 'wb').write(b[:3])\n" + `print('{"event":"result"}')`
	err := errors.Join(os.WriteFile(filepath.Join(dir, DeclarationFile), []byte(declaration), 0o600), os.WriteFile(filepath.Join(dir, "main.py"), []byte(script), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMemoryIsBounded: a plugin that wants more than it may have ends with an error that says so, whatever bounds it.
func TestMemoryIsBounded(t *testing.T) {
	own, ok := ownGroup()
	grouped := false
	if ok {
		sleep := exec.Command("sleep", "100")
		if err := sleep.Start(); err != nil {
			t.Fatal(err)
		}
		b, err := own.bind(sleep.Process.Pid, 1<<30)
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
		if grouped = err == nil; grouped {
			b.release()
		}
	}
	for _, how := range []string{limitData, limitCgroup} {
		t.Run(how, func(t *testing.T) {
			if how == limitCgroup && !grouped {
				t.Skip("this machine lets us make no cgroup for memory")
			}
			h := loader()
			h.noGroups = how == limitData
			p, err := h.Load(glutton(t, "600", "134217728"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = plugintest.Case{Plugin: p}.Run(t.Context(), 1, t.TempDir())
			var e *MemoryError
			if !errors.As(err, &e) || e.Bound != 128<<20 || e.How != how || e.Used == 0 || plugins.IsTransient(err) {
				t.Fatalf("error is %#v: %v", err, err)
			}
			if !strings.Contains(err.Error(), "and may have 128 MiB (set by "+how+")") {
				t.Errorf("error is %v", err)
			}
			if p, err = h.Load(glutton(t, "10", "134217728")); err != nil {
				t.Fatal(err)
			}
			plugintest.Case{Plugin: p}.Must(t)
		})
	}
	if left, err := filepath.Glob(filepath.Join(own.dir, "cairn-*")); err != nil || len(left) > 0 {
		t.Errorf("cgroups are left: %v, %v", left, err)
	}
}

// TestOutOfMemoryByItsOwnAccount: a plugin can say so itself.
func TestOutOfMemoryByItsOwnAccount(t *testing.T) {
	p := mustLoad(t, shell(t, "fetch", `echo '{"event":"error","code":"memory","message":"the GPU has 8 GiB"}'`))
	var e *MemoryError
	if _, err := (plugintest.Case{Plugin: p}).Run(t.Context(), 1, t.TempDir()); !errors.As(err, &e) || !strings.Contains(err.Error(), "the GPU has 8 GiB") {
		t.Errorf("error is %v", err)
	}
}

// TestWhoKilled: only what the kernel has counted is taken for a want of memory, and never a failure of the plugin itself.
func TestWhoKilled(t *testing.T) {
	killed, failed, complaining := &ExitError{Signal: syscall.SIGKILL, Code: -1}, &ExitError{Code: 1}, &ExitError{Code: 1, Stderr: "MemoryError\n"}
	count := func(n int64) func() int64 { return func() int64 { return n } }
	for _, c := range []struct {
		name string
		b    bound
		e    *ExitError
		want bool
	}{
		{"nobody counts", bound{}, killed, false},
		{"killed, none was counted", bound{kills: count(3), begun: 3}, killed, false},
		{"killed and counted", bound{kills: count(4), begun: 3}, killed, true},
		{"somebody else's", bound{kills: count(4), begun: 3}, failed, false},
		{"its child was", bound{kills: count(1), whole: true}, failed, true},
		{"says so, and is bounded", bound{how: limitData}, complaining, true},
		{"says so, and is not bounded", bound{}, complaining, false},
		{"bounded, and failed otherwise", bound{how: limitData}, failed, false},
		{"bounded, and killed", bound{how: limitData}, killed, false},
	} {
		if got := c.b.hit(c.e); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
