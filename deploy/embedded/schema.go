package embedded

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/schema"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// schemaVersion is kept in the database's user_version. Raise it with every release of the server that
// changes the SQLite schema: there is no migration, the old file is moved aside.
const schemaVersion = 13201

// ensureSchema creates the database in one transaction: a process killed while the server's own set-up ran
// its 149 statements one by one left a database that was broken for good. It returns where a database of
// another version was moved to.
func ensureSchema(file string) (moved string, err error) {
	have, err := userVersion(file)
	if err != nil {
		return "", err
	}
	switch have {
	case schemaVersion:
		return "", nil
	case 0:
	default:
		moved = fmt.Sprintf("%s.schema-%d", file, have)
		if err := moveDatabase(file, moved); err != nil {
			return "", err
		}
	}
	return moved, createSchema(file)
}

func open(file string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+filepath.ToSlash(file)+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(10000)")
}

// userVersion returns 0 for a database that is absent or was never finished.
func userVersion(file string) (int, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	db, err := open(file)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var v int
	if err := db.QueryRow("PRAGMA user_version").Scan(&v); err != nil {
		return 0, fmt.Errorf("%s is not a database of this engine (move it away to start afresh; results lie in the store): %w", file, err)
	}
	return v, nil
}

func createSchema(file string) error {
	db, err := open(file)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return fmt.Errorf("create %s: %w", file, err)
	}
	defer tx.Rollback()
	for _, part := range []string{"temporal", "visibility"} {
		text, err := fs.ReadFile(schema.Assets(), "sqlite/v3/"+part+"/schema.sql")
		if err != nil {
			return err
		}
		if _, err := tx.Exec(string(text)); err != nil {
			return fmt.Errorf("create %s: %s schema: %w", file, part, err)
		}
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

func moveDatabase(file, to string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(file+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// takeLock holds the folder for this process; the kernel lets go of it when the process ends, however.
func takeLock(file, who string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		owner, _ := io.ReadAll(io.LimitReader(f, 1<<10))
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s", ErrRunning, owner)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("start engine: lock %s: %w", file, err)
	}
	if err := f.Truncate(0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("start engine: %w", err)
	}
	if who == "" {
		who = fmt.Sprintf("process %d", os.Getpid())
	}
	if _, err := fmt.Fprint(f, who); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("start engine: %w", err)
	}
	return f, nil
}

// Gone returns a channel that is closed when the process that runs the engine of a folder has ended, however.
func Gone(dir string) (<-chan struct{}, error) {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("watch engine: %w", err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH), syscall.EINTR) { // again
		}
		_ = f.Close() // which gives the lock back at once
	}()
	return gone, nil
}

// newLogger sends the server's warnings to a file; its normal chatter is nobody's business.
func newLogger(file string) (log.Logger, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	_ = f.Close()
	return log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", OutputFile: file})), nil
}
