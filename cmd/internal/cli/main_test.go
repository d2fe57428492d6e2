package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asCairn makes the test binary behave as the command, so that tests run real processes that can be killed.
const asCairn = "CAIRN_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCairn) == "" {
		os.Exit(m.Run())
	}
	if d, err := time.ParseDuration(os.Getenv(graceTime)); err == nil {
		grace = d
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	name, set := release(os.Getenv(asRelease))
	if address := os.Getenv(boxAt); address != "" {
		set = boxed(address)
	}
	code := Main(Interruptible(), harassed(World{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Lookup: lookup, Exits: true,
		Self: []string{"/usr/bin/env", asCairn + "=1", boxAt + "=" + os.Getenv(boxAt), self}, Release: name, Plugins: set}))
	if file := os.Getenv(peakFile); file != "" {
		status, _ := os.ReadFile("/proc/self/status")
		_ = os.WriteFile(file, status, 0o600)
	}
	os.Exit(code)
}

// peakFile names the file that the command writes its peak memory into; what the kernel says of a child counts
// that of its parent.
const peakFile = "CAIRN_TEST_PEAK"

// machine is a home and a folder in which commands are typed.
type machine struct {
	t    *testing.T
	home string
	dir  string
	env  []string
}

// newMachine has an empty home and, where manifest is not empty, a benchmark.yaml.
func newMachine(t *testing.T, manifest string) *machine {
	t.Helper()
	m := &machine{t: t, home: t.TempDir(), dir: t.TempDir()}
	if manifest != "" {
		m.write("benchmark.yaml", manifest)
	}
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.path(name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// output is what a command left.
type output struct {
	stdout, stderr string
	code           int
}

func (m *machine) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	c := exec.CommandContext(m.t.Context(), self, args...)
	c.Dir = m.dir
	c.Env = append([]string{asCairn + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + m.home, "CAIRN_HOME=" + filepath.Join(m.home, "cairn"), "TMPDIR=" + m.t.TempDir()}, m.env...)
	return c
}

func (m *machine) cairn(args ...string) output {
	m.t.Helper()
	var stdout, stderr bytes.Buffer
	c := m.command(args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		m.t.Fatalf("cairn %q: %v", args, err)
	}
	return output{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// want runs a command and checks its exit code and that its output holds every one of the texts.
func (m *machine) want(code int, args []string, texts ...string) output {
	m.t.Helper()
	out := m.cairn(args...)
	if out.code != code {
		m.t.Fatalf("cairn %q: exit code %d, want %d\n%s\n%s", args, out.code, code, out.stdout, out.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(out.stdout+out.stderr, text) {
			m.t.Errorf("cairn %q: no %q in\n%s\n%s", args, text, out.stdout, out.stderr)
		}
	}
	return out
}

// object runs a command with --json, which must succeed with code, and reads its one object.
func object[T any](m *machine, code int, args ...string) T {
	m.t.Helper()
	var v T
	out := m.want(code, append(args, "--json"))
	dec := json.NewDecoder(strings.NewReader(out.stdout))
	if err := dec.Decode(&v); err != nil {
		m.t.Fatalf("cairn %q: stdout is not JSON: %v\n%s", args, err, out.stdout)
	}
	if dec.More() {
		m.t.Errorf("cairn %q: more than one object on stdout", args)
	}
	return v
}

// objects runs a command with --json that prints a line for each of its objects.
func objects[T any](m *machine, args ...string) []T {
	m.t.Helper()
	var all []T
	dec := json.NewDecoder(strings.NewReader(m.want(0, append(args, "--json")).stdout))
	for dec.More() {
		var v T
		if err := dec.Decode(&v); err != nil {
			m.t.Fatalf("cairn %q: %v", args, err)
		}
		all = append(all, v)
	}
	return all
}

// repository is the root of the checkout.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func words(s string) []string { return strings.Fields(s) }
