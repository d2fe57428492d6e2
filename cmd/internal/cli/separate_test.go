package cli

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServerAndWorker: engine and worker in processes of their own do what one process does.
func TestServerAndWorker(t *testing.T) {
	locks, _ := alone(t, small)
	m := smallMachine(newMachine(t, ""))
	m.want(2, words("server --listen 0.0.0.0:7233"), "127.0.0.1 only", "--address")
	m.want(2, words("worker --queues tpu"), "io, cpu, gpu")
	m.want(2, words("run --detach benchmark.yaml"), "cairn server")

	server := m.start("server")
	server.at("ready")
	m.want(1, words("server"), "cairn server, since", fmt.Sprint(server.Process.Pid))
	m.want(1, words("run --detach benchmark.yaml"), "cairn worker")
	worker := m.start(words("worker --progress plain")...)
	worker.at("serves io, cpu, gpu")
	run := object[struct{ Run string }](m, 0, "run", "--detach", "benchmark.yaml").Run
	m.want(0, []string{"log", "--follow", run}, "ran        pretrain/single", "completed")
	worker.at("ok  evaluate/test/single/heart")
	m.want(0, words("run benchmark.yaml"), "nothing to do") // writes the lock
	if m.read("benchmark.lock") != locks[0] {
		t.Error("another lock")
	}

	if code := worker.stop(syscall.SIGTERM); code != exitInterrupted {
		t.Errorf("worker: exit code %d, want %d", code, exitInterrupted)
	}
	if code := server.stop(syscall.SIGINT); code != exitOK {
		t.Errorf("server: exit code %d, want %d\n%s", code, exitOK, server.said.String())
	}
}

// TestWebUI: who has the address that the server prints sees the runs, and changes nothing; who has not sees nothing.
func TestWebUI(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	server := m.start("server")
	server.at("ready")
	_, rest, _ := strings.Cut(server.said.String(), "web UI  ")
	address := strings.Fields(rest)[0]
	base, _, _ := strings.Cut(address, "?")
	runs := base + "api/v1/namespaces/default/workflows"
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, friend := &http.Client{}, &http.Client{Jar: jar}
	for _, c := range []struct {
		who               *http.Client
		method, url, says string
		code              int
	}{
		{stranger, "GET", base, "needs the key", http.StatusForbidden},
		{stranger, "GET", runs, "needs the key", http.StatusForbidden},
		{stranger, "GET", base + "?key=ABC", "needs the key", http.StatusForbidden},
		{friend, "GET", address, "<html", http.StatusOK},
		{friend, "GET", runs, "small-", http.StatusOK},
		{friend, "GET", base + "api/v1/settings", `"DisableWriteActions":true`, http.StatusOK},
		{friend, "POST", runs + "/" + runOf(m) + "/terminate", "", http.StatusMethodNotAllowed},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		code, text := fetched(t, c.who, req)
		if code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s %s: status %d, want %d with %q\n%s", c.method, c.url, code, c.code, c.says, text)
		}
	}
	if code := server.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	m.start("server", "--ui=false").at("ready")
}

func fetched(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var b strings.Builder
	if err := answer.Write(&b); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, b.String()
}

// stop sends a signal and returns the exit code.
func (r *running) stop(signal syscall.Signal) int {
	r.m.t.Helper()
	if err := r.Process.Signal(signal); err != nil {
		r.m.t.Fatal(err)
	}
	<-r.end
	return r.ProcessState.ExitCode()
}

// kill is what no process can hear.
func (r *running) kill() { r.stop(syscall.SIGKILL) }

// separate is a home whose engine and worker are processes of their own.
type separate struct {
	*machine
	server, worker *running
	run            string
}

func (s *separate) serve() {
	s.server = s.start("server", "--ui=false")
	s.server.at("ready")
}

func (s *separate) work() {
	s.worker = s.start(words("worker --progress plain")...)
	s.worker.at("serves io")
}

// atTraining starts a run that is left to the worker, and returns when its training is under way.
func atTraining(t *testing.T, manifest string) *separate {
	t.Helper()
	s := &separate{machine: smallMachine(newMachine(t, ""))}
	s.write("benchmark.yaml", manifest)
	s.serve()
	s.work()
	s.run = object[struct{ Run string }](s.machine, 0, "run", "--detach", "benchmark.yaml").Run
	s.worker.at("→   pretrain/single")
	return s
}

// tries returns what the log says of how the training began.
func (s *separate) tries() (all []string) {
	s.t.Helper()
	for _, l := range objects[logLine](s.machine, "log", s.run) {
		if l.Event == "begun" && l.Step == "pretrain/single" {
			all = append(all, l.Says)
		}
	}
	return all
}

// pause is how long the run took to go on after the training.
func (s *separate) pause() time.Duration {
	s.t.Helper()
	var ran time.Time
	for _, l := range objects[logLine](s.machine, "log", s.run) {
		switch {
		case l.Event == "ran" && l.Step == "pretrain/single":
			ran = l.Time
		case l.Event == "to do" && !ran.IsZero():
			return l.Time.Sub(ran)
		}
	}
	s.t.Fatal("nothing came after the training")
	return 0
}

// TestSeparateKills kills engine and worker apart and together. The run ends with the lock of an undisturbed one. What
// a worker was at goes on without a break when only the engine was killed, and at once elsewhere when the worker was.
func TestSeparateKills(t *testing.T) {
	// The training has to take longer than an engine takes to begin again.
	slower := strings.Replace(slow, "epochs: 800", "epochs: 3200", 1)
	locks, _ := alone(t, slow, slower)
	once, again := []string{""}, []string{"try 2, after: the process that did it has ended"}
	for _, c := range []struct {
		name     string
		manifest string
		do       func(s *separate)
		tries    []string
	}{
		{"engine", slower, func(s *separate) {
			log := s.start("log", "--follow", s.run)
			log.at("to do      pretrain/single") // that it has begun stands in the history when it has ended
			s.server.kill()
			s.worker.at("goes on with the next")
			s.serve()
			s.worker.at("joined the next engine")
			s.want(0, []string{"resume", s.run})
			if said := log.done(); strings.Count(said, "ran        fetch/heart") != 1 || !strings.Contains(said, "completed") {
				s.t.Errorf("log --follow does not say everything, and once:\n%s", said)
			}
		}, once},
		{"engine, and who waits for the run takes its place", slow, func(s *separate) {
			resume := s.start("resume", s.run)
			resume.at("→   pretrain/single")
			s.server.kill()
			if said := resume.done(); !strings.Contains(said, "this one goes on without it") {
				s.t.Errorf("nothing is said of the engine:\n%s", said)
			}
		}, once},
		{"worker", slow, func(s *separate) {
			s.worker.kill()
			// The engine may have noticed by itself, on a slow machine, that nobody is at the step any more.
			out := s.want(0, []string{"status", s.run}, "workers   none: `cairn worker`", "waiting  pretrain/single")
			if !strings.Contains(out.stdout, "the process that did it has ended") && !strings.Contains(out.stdout, "no worker serves cpu") {
				s.t.Errorf("status does not say what the step waits for:\n%s", out.stdout)
			}
			s.work()
			s.want(0, []string{"resume", s.run})
		}, again},
		{"worker, beside another one", slow, func(s *separate) {
			first := s.worker
			s.work()
			first.kill()
			s.worker.at("→   pretrain/single")
			s.want(0, []string{"resume", s.run})
		}, again},
		{"both", slow, func(s *separate) {
			s.server.kill()
			s.worker.kill()
			s.want(0, []string{"status", s.run}, "none: `cairn worker`")
			s.serve()
			s.work()
			s.worker.at("→   pretrain/single")
			s.want(0, []string{"resume", s.run})
		}, again},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := atTraining(t, c.manifest)
			c.do(s)
			if want := map[string]string{slow: locks[0], slower: locks[1]}[c.manifest]; s.read("benchmark.lock") != want {
				t.Error("another lock")
			}
			if got := s.tries(); !slices.Equal(got, c.tries) {
				t.Errorf("the training began: %q, want %q", got, c.tries)
			}
			if p := s.pause(); p > time.Minute { // its silence would be borne for two
				t.Errorf("the run went on %v after the training; the worker that is gone was waited for", p)
			}
		})
	}
}

// TestCancelSeparate gives up runs of which another process does the work, or none.
func TestCancelSeparate(t *testing.T) {
	s := atTraining(t, slow)
	s.want(0, []string{"cancel", s.run})
	s.want(0, []string{"log", "--follow", s.run}, "given up")
	s.want(0, []string{"status", s.run}, "canceled")

	s.run = object[struct{ Run string }](s.machine, 0, "run", "--detach", "benchmark.yaml").Run
	s.worker.kill()
	s.want(0, []string{"cancel", s.run})
	s.want(0, []string{"status", s.run}, "terminated")
}

// graceTime is the environment variable that shortens grace.
const graceTime = "CAIRN_TEST_GRACE"

// deaf is the name of an environment variable whose value is that of another one, which nobody comes back from
// looking up.
const deaf = "CAIRN_TEST_DEAF"

// lookup is that of the environment, but for the deaf one.
func lookup(name string) (string, bool) {
	if name == os.Getenv(deaf) {
		fmt.Fprintln(os.Stderr, "looking up what nobody comes back from")
		select {}
	}
	return os.LookupEnv(name)
}

// TestInterrupts: the first Ctrl-C is told to whoever works and waits for them, but not for ever; the second ends
// everything at once.
func TestInterrupts(t *testing.T) {
	deafening := strings.Replace(small, "{plugin: dir, params: {path: data}}",
		"{plugin: http, params: {files: [{path: a.csv, url: 'http://127.0.0.1:1/a.csv'}], auth: basic}}", 1)
	for _, c := range []struct {
		name, manifest, at string
		verb               []string
		signals            int
		longest            time.Duration
		says               []string
	}{
		{"run", slow, "→   pretrain/single", words("run benchmark.yaml --progress plain"), 1, 8 * time.Second, []string{"stopping: pretrain/single may take", "cairn: interrupted; `cairn resume small-"}},
		{"run, with a step that does not hear", deafening, "nobody comes back", words("run benchmark.yaml --progress plain"), 1, 8 * time.Second, []string{"stopping: fetch/heart may take 2s", "fetch/heart did not stop in time"}},
		{"run, twice", deafening, "nobody comes back", words("run benchmark.yaml --progress plain"), 2, time.Second, []string{"stopping: fetch/heart"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := smallMachine(newMachine(t, ""))
			m.write("benchmark.yaml", c.manifest)
			m.env = []string{deaf + "=CAIRN_USERNAME_127_0_0_1", graceTime + "=2s"}
			if c.signals > 1 {
				m.env[1] = graceTime + "=1h"
			}
			r := m.start(c.verb...)
			r.at(c.at)
			began := time.Now()
			for range c.signals - 1 {
				if err := r.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				r.at("stopping")
			}
			if code := r.stop(syscall.SIGINT); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			if took := time.Since(began); took > c.longest {
				t.Errorf("it took %v, want at most %v", took, c.longest)
			}
			for _, text := range c.says {
				if !strings.Contains(r.said.String(), text) {
					t.Errorf("no %q in\n%s", text, r.said.String())
				}
			}
		})
	}
}
