package cas_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
)

func lock(t *testing.T, path, what string) func() {
	t.Helper()
	release, err := cas.LockFile(t.Context(), path, what, nil)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// wantHeld asks for a lock that somebody has, and returns whom the error names.
func wantHeld(t *testing.T, path string) cas.Holder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cas.LockFile(ctx, path, "to be late", nil)
	var locked *cas.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, context.Canceled) || locked.Path != path {
		t.Fatalf("LockFile = %v; want a LockedError", err)
	}
	return locked.Holder
}

func TestLockFileNamesHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	host, _ := os.Hostname()
	for _, what := range []string{"a first thing that is long", "a second"} {
		release := lock(t, path, what)
		if h := wantHeld(t, path); h.PID != os.Getpid() || h.Host != host || h.What != what || time.Since(h.Since) > time.Hour {
			t.Errorf("held by %+v; want this process, %s", h, what)
		}
		release()
	}
}

// The waiter is told once it has waited long, and gets the lock when it is given up.
func TestLockFileTellsWaiter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	release := lock(t, path, "slow work")
	told := 0
	second, err := cas.LockFile(t.Context(), path, "patience", func(h cas.Holder) {
		told++
		if h.What != "slow work" {
			t.Errorf("held by %s", h)
		}
		release()
	})
	if err != nil || told != 1 {
		t.Fatalf("LockFile = %v, told %d times", err, told)
	}
	second()
}

// What a process that died has written neither keeps the lock nor is taken for the one who has it.
func TestLockFileOfDeadProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	text, err := json.Marshal(cas.Holder{PID: dead.Process.Pid, Host: host, What: "dying"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	unsigned, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := cas.Flock(unsigned, syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if h := wantHeld(t, path); h != (cas.Holder{}) {
		t.Errorf("held by %s; that process is dead", h)
	}
	unsigned.Close()
	lock(t, path, "living")()
}

func TestTagEndsWithContext(t *testing.T) {
	l := openLayout(t, t.TempDir())
	defer lock(t, filepath.Join(l.Dir(), "index.lock"), "keeping it")()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var locked *cas.LockedError
	if err := l.Tag(ctx, map[string]ocispec.Descriptor{"a": {Digest: digest.FromString("a")}}); !errors.As(err, &locked) || locked.Holder.What != "keeping it" {
		t.Errorf("Tag = %v; want a LockedError", err)
	}
}
