package embedded

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func held(ctx workflow.Context) (s string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	err = workflow.ExecuteActivity(ctx, "hold").Get(ctx, &s)
	return s, err
}

// TestClientOutlivesEngine: a step that is under way when the engine ends is told to the next engine, which listens
// elsewhere and has another certificate, by the same client.
func TestClientOutlivesEngine(t *testing.T) {
	dir := t.TempDir()
	first, err := Start(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), dir, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var begun atomic.Int32
	begins, ends := make(chan struct{}, 10), make(chan struct{})
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(held)
	w.RegisterActivityWithOptions(func(context.Context) (string, error) {
		begun.Add(1)
		begins <- struct{}{}
		<-ends
		return "done", nil
	}, activity.RegisterOptions{Name: "hold"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "q"}, held)
	if err != nil {
		t.Fatal(err)
	}
	<-begins
	address := first.Address()
	first.Stop()
	if _, err := Dial(t.Context(), dir, client.Options{}); !errors.Is(err, ErrAway) {
		t.Errorf("with no engine: %v, want ErrAway", err)
	}
	second, err := Start(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	if second.Address() == address {
		t.Skip("the second engine has the address of the first")
	}
	close(ends)
	var got string
	if err := run.Get(t.Context(), &got); err != nil || got != "done" || begun.Load() != 1 {
		t.Errorf("%q, %v; the step was begun %d times, want once", got, err, begun.Load())
	}
}

// TestBadConnection: a connection file that is not one is an error, and no reason to wait.
func TestBadConnection(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":         "{",
		"another schema":  `{"schema": "cairn/engine-connection/v9"}`,
		"no certificates": `{"schema": "` + connectionSchema + `", "address": "127.0.0.1:1"}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, connectionFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Reach(t.Context(), dir); err == nil || errors.Is(err, ErrAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEngineEndsWhileItIsJoined: an engine that ends between the first word and the answer is one that is away.
func TestEngineEndsWhileItIsJoined(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, connectionFile)
	id, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	dying, err := tls.Listen("tcp", "127.0.0.1:0", id.server)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeConnection(file, dying.Addr().String(), id); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		looked, err := dying.Accept()
		if err == nil {
			err = errors.Join(looked.(*tls.Conn).HandshakeContext(t.Context()), looked.Close())
		}
		joined, bad := dying.Accept()
		if err = errors.Join(err, bad); err == nil {
			_, err = joined.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})                                                      // HTTP/2: no settings
			for seen, b := []byte{}, make([]byte, 4096); err == nil && !bytes.Contains(seen, []byte{1, 4, 0, 0, 0, 1}); { // the head of the first call
				var n int
				n, err = joined.Read(b)
				seen = append(seen, b[:n]...)
			}
			err = errors.Join(err, os.Remove(file), dying.Close(), joined.Close())
		}
		ended <- err
	}()
	if _, err := Dial(t.Context(), dir, client.Options{}); !errors.Is(err, ErrAway) {
		t.Errorf("%v, want ErrAway", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
