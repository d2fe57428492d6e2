package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func said(_ workflow.Context, s string) (string, error) { return s, nil }

func runEcho(t *testing.T, c client.Client, word string) {
	t.Helper()
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(said)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "q"}, said, word)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := run.Get(t.Context(), &got); err != nil || got != word {
		t.Fatalf("echo: %q, %v", got, err)
	}
}

func TestEngine(t *testing.T) {
	dir := t.TempDir()
	e, err := Start(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(dir, Options{}); !errors.Is(err, ErrRunning) {
		t.Errorf("second start: %v, want ErrRunning", err)
	}
	info, err := os.Stat(filepath.Join(dir, connectionFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("connection file: %v, %v", info.Mode(), err)
	}
	joined, err := Dial(t.Context(), dir, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runEcho(t, joined, "joined")
	joined.Close()
	if _, err := client.Dial(client.Options{HostPort: e.Address()}); err == nil {
		t.Error("a client without the certificate was let in")
	}
	e.Stop()

	again, err := Start(dir, Options{})
	if err != nil {
		t.Fatalf("start again: %v", err)
	}
	defer again.Stop()
	if again.Moved != "" {
		t.Errorf("database of the same schema was moved to %s", again.Moved)
	}
	c, err := again.Client(client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runEcho(t, c, "again")
}

func TestDatabaseOfAnotherSchemaIsMovedAside(t *testing.T) {
	file := filepath.Join(t.TempDir(), databaseFile)
	if _, err := ensureSchema(file); err != nil {
		t.Fatal(err)
	}
	db, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 7"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	moved, err := ensureSchema(file)
	if err != nil || moved != file+".schema-7" {
		t.Fatalf("moved to %q, %v", moved, err)
	}
	if v, err := userVersion(file); err != nil || v != schemaVersion {
		t.Errorf("new database has version %d, %v", v, err)
	}
}
