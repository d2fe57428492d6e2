package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	if again.Moved != (Moved{}) {
		t.Errorf("database of the same schema was moved: %+v", again.Moved)
	}
	c, err := again.Client(client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runEcho(t, c, "again")
}

// TestDatabaseIsMovedAside: what cannot be gone on with is kept beside a new one, and what can is left alone.
func TestDatabaseIsMovedAside(t *testing.T) {
	now := time.Now()
	exec := func(statement string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			db, err := open(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
			db.Close()
		}
	}
	for name, c := range map[string]struct {
		harm     func(t *testing.T, file string)
		disorder bool
		to, why  string // "" if it stays
	}{
		"whole":                {func(*testing.T, string) {}, true, "", ""},
		"another version":      {exec("PRAGMA user_version = 7"), false, ".schema-7", "another version"},
		"of another time zone": {at(now.Add(30 * time.Second)), false, "", ""},
		"clock was set back":   {at(now.Add(time.Hour)), false, ".ahead", "clock was set back"},
		"cut":                  {func(t *testing.T, file string) { must(t, os.Truncate(file, 40<<10)) }, false, ".damaged", "is damaged"},
		"cut to nothing":       {func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) }, false, "", ""},
		"no database": {func(t *testing.T, file string) {
			must(t, os.WriteFile(file, []byte("this was something else, and is too long to be nothing"), 0o600))
		}, false, ".damaged", "is damaged"},
		"pages were lost":          {zero, true, ".damaged", "is damaged"},
		"pages were lost in order": {zero, false, "", ""}, // to read all of it each time would cost more than it finds
		"one was moved aside before": {func(t *testing.T, file string) {
			exec("PRAGMA user_version = 7")(t, file)
			must(t, os.WriteFile(file+".schema-7", nil, 0o600))
		}, false, ".schema-7-2", "another version"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), databaseFile)
			if moved, err := ensureSchema(file, now, false); err != nil || moved != (Moved{}) {
				t.Fatalf("new: %+v, %v", moved, err)
			}
			c.harm(t, file)
			moved, err := ensureSchema(file, now, c.disorder)
			want := ""
			if c.to != "" {
				want = file + c.to
			}
			if err != nil || moved.To != want || !strings.Contains(moved.Why, c.why) {
				t.Fatalf("%+v, %v; want %q because it %s", moved, err, want, c.why)
			}
			if want != "" && !exists(want) {
				t.Error("it is not there")
			}
			if v, err := userVersion(file); err != nil || v != schemaVersion {
				t.Errorf("the database has version %d, %v", v, err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func at(when time.Time) func(t *testing.T, file string) {
	return func(t *testing.T, file string) { must(t, os.Chtimes(file, when, when)) }
}

// zero overwrites the last pages, which are rows.
func zero(t *testing.T, file string) {
	db, err := open(file)
	must(t, err)
	_, err = db.Exec("CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 5000) SELECT i, hex(randomblob(50)) AS text FROM n")
	must(t, errors.Join(err, db.Close()))
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	_, err = f.WriteAt(make([]byte, 32<<10), info.Size()-32<<10)
	must(t, err)
}
