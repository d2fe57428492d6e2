package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

const done = `{"event":"result"}` + "\n"

// TestHostilePlugins: whatever a plugin does, the step fails with an error that says what it was.
func TestHostilePlugins(t *testing.T) {
	for _, c := range []struct{ name, role, want string }{
		{"no result", "say ", "ended with exit code 0 and no result"},
		{"no result after progress", `say {"event":"progress","done":1}` + "\n", "and no result"},
		{"exit code", "sayAndFail ", "exit code 3 and no result; it said:\nno [31m good"},
		{"result, then exit code", "sayAndFail " + done, "exit code 3"},
		{"not JSON", "say hello\n", `line 1 of the plugin's answer: want a JSON object, have "hello"`},
		{"empty line", "say \n" + done, "line 1 of the plugin's answer: want a JSON object"},
		{"a list", "say []\n", "want a JSON object"},
		{"null", "say null\n", "want a JSON object"},
		{"two objects", `say {"event":"result"}{"event":"result"}` + "\n", "want a JSON object"},
		{"no event", "say {}\n", `event is "": want progress, log`},
		{"unknown event", `say {"event":"prgress"}` + "\n", `event is "\"prgress\""`},
		{"event that is no text", `say {"event":1}` + "\n", "event is"},
		{"unknown field", `say {"event":"progress","done":1,"totl":2}` + "\n", `progress: unknown field "totl"`},
		{"wrong type", `say {"event":"progress","done":"1"}` + "\n", "progress: cannot unmarshal string"},
		{"negative", `say {"event":"progress","done":-1}` + "\n", "done is -1"},
		{"fraction", `say {"event":"progress","done":1.5}` + "\n", "progress: cannot unmarshal number 1.5"},
		{"not UTF-8", "say \xff\xfe{}\n", "is not UTF-8"},
		{"more after the result", "say " + done + done, "line 2 of the plugin's answer: there is more after the last line"},
		{"more after the error", `say {"event":"error","code":"permanent","message":"x"}` + "\n" + done, "line 2"},
		{"long line", "flood", "the line has more than 65536 bytes"},
		{"error without a code", `say {"event":"error","message":"x"}` + "\n", "code \"\": want permanent, transient, memory, panic or interrupted"},
		{"error without a message", `say {"event":"error","code":"permanent"}` + "\n", "message is empty"},
		{"error with an odd wait", `say {"event":"error","code":"transient","message":"x","retryAfter":1e12}` + "\n", "retryAfter is 1e+12"},
		{"error with an odd fault", `say {"event":"error","code":"transient","message":"x","fault":"Too Busy"}` + "\n", `fault "Too Busy"`},
		{"checkpoint of an evaluation", `say {"event":"checkpoint","step":1,"path":"x"}` + "\n", "checkpoint: none was asked for"},
		{"file of an evaluation", `say {"event":"file","path":"x"}` + "\n", "file: only a fetch lists files"},
		{"resumed without a checkpoint", `say {"event":"resumed","step":1}` + "\n", "there is no checkpoint of step 1"},
		{"link", "link", `output "data.txt" is a symbolic link`},
		{"link to a folder", "linkedFolder", `output "data" is a symbolic link`},
		{"pipe", "fifo", `output "pipe" is a pipe`},
		{"name of ours", "reserved", `output "SHA256SUMS" has a name that is Cairn's own`},
		{"name that is not UTF-8", "badName", "has a name that is not valid everywhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := talk(t, catalog.Evaluate, c.role, plugins.Call{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q", err, c.want)
			}
			if plugins.IsTransient(err) {
				t.Errorf("%v would be tried again", err)
			}
		})
	}
}

// TestAnswers: what a plugin says arrives.
func TestAnswers(t *testing.T) {
	lines := `{"event":"progress","done":1,"total":2,"unit":"steps","note":"a\u001b[31mb"}` + "\r\n" + `{"event":"log","message":"look\nhere"}` + "\n" + `{"event":"result"}`
	_, heard, err := talk(t, catalog.Evaluate, "say "+lines, plugins.Call{})
	want := []plugins.Progress{{Done: 1, Total: 2, Unit: "steps", Note: "a [31mb"}, {Note: "look here", News: true}}
	heard = slices.DeleteFunc(heard, func(p plugins.Progress) bool { return strings.Contains(p.Note, "namespaces") })
	if err != nil || !slices.Equal(heard, want) {
		t.Errorf("%v, heard %+v, want %+v", err, heard, want)
	}
	if _, _, err := talk(t, catalog.Evaluate, "deaf", plugins.Call{Params: []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)}); err != nil {
		t.Errorf("a large request: %v", err)
	}
}

// TestErrorOfAPlugin: an error says whether another try can help, and when.
func TestErrorOfAPlugin(t *testing.T) {
	_, _, err := talk(t, catalog.Fetch, `say {"event":"error","code":"transient","message":"come later","retryAfter":90,"fault":"busy"}`+"\n", plugins.Call{})
	var f *plugins.Fault
	if !errors.As(err, &f) || err.Error() != "come later" || !plugins.IsTransient(err) || f.After != 90*time.Second || plugins.FaultCode(err) != plugins.FaultBusy {
		t.Errorf("error is %#v", err)
	}
	_, _, err = talk(t, catalog.Fetch, `say {"event":"error","code":"permanent","message":"no label"}`+"\n", plugins.Call{})
	if err == nil || err.Error() != "no label" || plugins.IsTransient(err) {
		t.Errorf("error is %v", err)
	}
}

// TestEnvironment: a plugin sees nothing of ours, and its folders are its own.
func TestEnvironment(t *testing.T) {
	t.Setenv("PHYSIONET_PASSWORD", "secret")
	scratch := t.TempDir()
	files, _, err := talk(t, catalog.Curate, "environ", plugins.Call{Scratch: scratch})
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal(files["environ.json"], &env); err != nil {
		t.Fatal(err)
	}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		switch name {
		case "HOME", "TMPDIR", "cwd":
			if !strings.HasPrefix(value, scratch+"/") {
				t.Errorf("%s is not in the scratch folder", v)
			}
		case "net":
			if value != "1" && namespaces() {
				t.Errorf("%s interfaces are seen, want the loopback only", value)
			}
		case "PATH", "LANG", "TZ", asPlugin, "PWD", "_":
		default:
			t.Errorf("%s reached the plugin", v)
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// namespaces says whether this machine gives them.
func namespaces() bool {
	for _, attr := range isolations(false) {
		if isolated(attr) {
			c := exec.Command("true")
			c.SysProcAttr = attr
			if c.Run() == nil {
				return true
			}
		}
	}
	return false
}

// memory keeps a checkpoint.
type memory struct {
	step  int64
	state string
}

func (m *memory) Latest() (io.ReadCloser, int64, error) {
	if m.step == 0 {
		return nil, 0, nil
	}
	return io.NopCloser(strings.NewReader(m.state)), m.step, nil
}

func (m *memory) Put(step int64, save func(io.Writer) error) error {
	var b strings.Builder
	err := save(&b)
	m.step, m.state = step, b.String()
	return err
}

// TestInterruptedPlugin: who is asked to end can save a checkpoint first.
func TestInterruptedPlugin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{}
	_, _, err := talkTo(ctx, t, catalog.Pretrain, self(t, "polite"), plugins.Call{Checkpoints: m, Progress: func(plugins.Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || m.step != 5 || m.state != "state" {
		t.Errorf("%v, checkpoint %+v", err, m)
	}
}

// TestStubbornPlugin: who does not end is killed.
func TestStubbornPlugin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := new(Host).newSession(catalog.Spec{Kind: catalog.Evaluate, Name: "test", Version: "1"}, plugins.Call{Scratch: t.TempDir(), Progress: func(plugins.Progress) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p := &process{host: s.host, command: self(t, "stubborn"), dir: s.dir, env: s.environment(nil), grace: time.Millisecond, input: []byte(`{}`), note: func(string) {}}
	p.handle = func(line []byte) error { return s.hear(p, line) }
	var exit *ExitError
	if err := p.run(ctx); !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
		t.Errorf("error is %v", err)
	}
}

// TestKilledPlugin: a plugin that somebody kills is not at fault, and out of memory neither.
func TestKilledPlugin(t *testing.T) {
	s, err := new(Host).newSession(catalog.Spec{Kind: catalog.Evaluate, Name: "test", Version: "1"}, plugins.Call{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p := &process{host: s.host, command: self(t, "stubborn"), dir: s.dir, env: s.environment(nil), input: []byte(`{}`), note: func(string) {}}
	p.handle = func([]byte) error { return syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL) }
	var exit *ExitError
	if err := p.run(t.Context()); !errors.As(err, &exit) || !exit.Killed() || !strings.Contains(err.Error(), "ended by a signal (killed)") {
		t.Errorf("error is %v", err)
	}
}

// TestNoProcessIsLeft: what a plugin starts ends with it.
func TestNoProcessIsLeft(t *testing.T) {
	if !namespaces() {
		t.Skip("this machine gives no process namespaces")
	}
	began := time.Now()
	if _, _, err := talk(t, catalog.Evaluate, "family result", plugins.Call{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > lag {
		t.Errorf("it took %v: somebody held the pipe until it was given up", took)
	}
}

// TestNoOrphans: when the worker is killed, the plugin and whoever it has started end.
func TestNoOrphans(t *testing.T) {
	mark := fmt.Sprintf("1000.%d", os.Getpid())
	command := self(t, "worker "+t.TempDir()+" "+mark)
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if lines.Text() == "begun" && (len(running(mark)) > 0 || !namespaces()) {
			break
		}
	}
	if len(running(mark)) == 0 {
		t.Error("the plugin has started nobody")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if !namespaces() {
		t.Skip("this machine gives no process namespaces: only the first process of a plugin is sure to end")
	}
	for len(running(mark)) > 0 {
		select {
		case <-t.Context().Done():
			t.Fatalf("left: %v", running(mark))
		case <-time.After(time.Millisecond):
		}
	}
}

// running lists the processes that have a word among their arguments.
func running(word string) []string {
	var out []string
	lists, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, l := range lists {
		text, _ := os.ReadFile(l) // it may be gone
		if slices.Contains(strings.Split(string(text), "\x00"), word) {
			out = append(out, l)
		}
	}
	return out
}

// TestNotThere: a command that is not there is said so.
func TestNotThere(t *testing.T) {
	_, _, err := talkTo(t.Context(), t, catalog.Evaluate, []string{"/nowhere/at-all"}, plugins.Call{})
	if err == nil || !strings.Contains(err.Error(), "start plugin: ") || !strings.Contains(err.Error(), "/nowhere/at-all") {
		t.Errorf("error is %v", err)
	}
}

// TestPace: who writes too fast waits, and who does not is not held up.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := pace{begun: began}
		for range maxRate - 1 {
			p.wait(t.Context())
		}
		if time.Since(began) > 0 {
			t.Errorf("waited %v", time.Since(began))
		}
		for range 2 * maxRate {
			p.wait(t.Context())
		}
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("%d lines in %v, want two seconds", 3*maxRate-1, got)
		}
	})
}

func TestTail(t *testing.T) {
	var s tail
	for i := range 100 {
		_, _ = s.Write([]byte(strings.Repeat(string(rune('a'+i%26)), 3000)))
	}
	if got := s.String(); len(got) != maxStderr || !strings.HasSuffix(got, "v") {
		t.Errorf("%d bytes, the last is %q", len(got), got[len(got)-1:])
	}
	_, _ = s.Write([]byte(strings.Repeat("z", 1<<20)))
	if got := s.String(); got != strings.Repeat("z", maxStderr) {
		t.Errorf("%d bytes", len(got))
	}
}
