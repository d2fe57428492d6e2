package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// asPlugin makes the test binary behave as a plugin.
const asPlugin = "HOST_TEST_PLUGIN"

func TestMain(m *testing.M) {
	role := os.Getenv(asPlugin)
	if role == "" {
		os.Exit(m.Run())
	}
	act(role)
}

// act does as the role says. All roles but one write lines themselves, as any language could.
func act(role string) {
	name, rest, _ := strings.Cut(role, " ")
	if name == "serve" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		set, err := plugins.NewSet(builtins()...)
		if err == nil {
			err = Serve(ctx, set, os.Stdin, os.Stdout, os.Stderr)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if name == "worker" { // runs a plugin, and is killed
		scratch, mark, _ := strings.Cut(rest, " ")
		self, err := os.Executable()
		if err != nil {
			os.Exit(9)
		}
		s, err := new(Host).newSession(catalog.Spec{Kind: catalog.Evaluate, Name: "test", Version: "1"}, plugins.Call{Scratch: scratch, Progress: func(plugins.Progress) { fmt.Println("begun") }})
		if err != nil {
			os.Exit(9)
		}
		fmt.Println(s.run(context.Background(), &process{command: []string{"/usr/bin/env", asPlugin + "=family " + mark, self}, dir: s.dir, env: s.environment([]string{"PATH=" + os.Getenv("PATH")})}))
		os.Exit(0)
	}
	var r Request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
	switch name {
	case "say": // rest is what it says
		fmt.Print(rest)
	case "sayAndFail":
		fmt.Print(rest)
		fmt.Fprintln(os.Stderr, "no\x1b[31m good")
		os.Exit(3)
	case "link":
		_ = os.Symlink("/etc/passwd", filepath.Join(r.Output, "data.txt"))
		fmt.Println(`{"event":"result"}`)
	case "linkedFolder":
		_ = os.Symlink("/etc", filepath.Join(r.Output, "data"))
		fmt.Println(`{"event":"result"}`)
	case "fifo":
		_ = syscall.Mkfifo(filepath.Join(r.Output, "pipe"), 0o600)
		fmt.Println(`{"event":"result"}`)
	case "reserved":
		_ = os.WriteFile(filepath.Join(r.Output, "SHA256SUMS"), []byte("x"), 0o600)
		fmt.Println(`{"event":"result"}`)
	case "badName":
		_ = os.WriteFile(filepath.Join(r.Output, "a\xff"), []byte("x"), 0o600)
		fmt.Println(`{"event":"result"}`)
	case "flood":
		out := bufio.NewWriter(os.Stdout)
		for {
			if _, err := out.WriteString("xxxxxxxxxxxxxxxx"); err != nil {
				os.Exit(1)
			}
		}
	case "environ":
		text, _ := json.Marshal(append(os.Environ(), "net="+interfaces(), "cwd="+cwd()))
		_ = os.WriteFile(filepath.Join(r.Output, "environ.json"), text, 0o600)
		fmt.Println(`{"event":"result"}`)
	case "family": // starts a child that outlives it, if nobody cares
		mark := "1000"
		if rest != "result" {
			mark = rest
		}
		sleep := exec.Command("sleep", mark)
		sleep.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		sleep.Stdout = os.Stdout
		if err := sleep.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf(`{"event":"progress","done":%d}`+"\n", 1)
		if rest == "result" {
			fmt.Println(`{"event":"result"}`)
			os.Exit(0)
		}
		select {}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(`{"event":"progress","done":1}`)
		for {
			time.Sleep(time.Hour)
		}
	case "polite":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Println(`{"event":"progress","done":1}`)
		<-asked
		_ = os.WriteFile(filepath.Join(r.Checkpoints, "x"), []byte("state"), 0o600)
		fmt.Println(`{"event":"checkpoint","step":5,"path":"x"}`)
		fmt.Println(`{"event":"error","code":"interrupted","message":"asked to end"}`)
		os.Exit(1)
	case "deaf": // reads nothing of what it is told
		fmt.Println(`{"event":"result"}`)
	case "eat":
		n, _ := strconv.Atoi(rest)
		var held [][]byte
		for range n {
			b := bytes.Repeat([]byte{7}, 1<<20)
			held = append(held, b)
		}
		fmt.Fprintln(io.Discard, len(held))
		fmt.Println(`{"event":"result"}`)
	}
}

func cwd() string { dir, _ := os.Getwd(); return dir }

func interfaces() string {
	text, _ := os.ReadFile("/proc/self/net/dev")
	return strconv.Itoa(strings.Count(string(text), ":"))
}

// self is the command that plays a role.
func self(t *testing.T, role string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"/usr/bin/env", asPlugin + "=" + role, exe}
}

// talk runs a role as the plugin of a kind, and returns what it gave and what was heard.
func talk(t *testing.T, kind catalog.Kind, role string, c plugins.Call) (plugintest.Files, []plugins.Progress, error) {
	t.Helper()
	return talkTo(t.Context(), t, kind, self(t, role), c)
}

func talkTo(ctx context.Context, t *testing.T, kind catalog.Kind, command []string, c plugins.Call) (plugintest.Files, []plugins.Progress, error) {
	t.Helper()
	var mu sync.Mutex
	var heard []plugins.Progress
	tell := c.Progress
	c.Progress = func(p plugins.Progress) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, p)
		if tell != nil {
			tell(p)
		}
	}
	if c.Scratch == "" {
		c.Scratch = t.TempDir()
	}
	s, err := new(Host).newSession(catalog.Spec{Kind: kind, Name: "test", Version: "1"}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.run(ctx, &process{command: command, dir: s.req.Scratch, env: s.environment([]string{"PATH=" + os.Getenv("PATH")})}); err != nil {
		return nil, heard, err
	}
	w, err := collect(s.req.Output)
	if err != nil {
		return nil, heard, err
	}
	files := plugintest.Files{}
	for _, f := range w.files {
		text, err := os.ReadFile(filepath.Join(s.req.Output, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		files[f.Path] = text
	}
	return files, heard, nil
}
