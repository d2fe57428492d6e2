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
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/schema"
	"modernc.org/sqlite" // and the driver of that name
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaVersion is kept in the database's user_version. Raise it with every release of the server that
// changes the SQLite schema: there is no migration, the old file is moved aside.
const schemaVersion = 13201

// Moved is a database that could not be gone on with. The zero value is none.
type Moved struct{ To, Why string }

// ensureSchema creates the database in one transaction: a process killed while the server's own set-up ran
// its 149 statements one by one left a database that was broken for good. One that cannot be gone on with is moved
// aside. All of one is read, to see whether it is whole, only if its last process did not end in order. now is a time
// by the clock of the file system.
func ensureSchema(file string, now time.Time, disorder bool) (Moved, error) {
	ahead := writtenAfter(file, now.Add(clockSlack)) // before it is opened, which may write
	have, err := userVersion(file)
	var why, suffix string
	switch {
	case isDamage(err):
		why, suffix = fmt.Sprintf("is damaged (%v)", err), "damaged"
	case err != nil:
		return Moved{}, err
	case have == 0:
		return Moved{}, createSchema(file)
	case have != schemaVersion:
		why, suffix = "was of another version", fmt.Sprintf("schema-%d", have)
	case ahead:
		why, suffix = "was last written at a time that is yet to come, so the clock was set back, and it would wait for that time", "ahead"
	case disorder:
		if err := check(file); isDamage(err) {
			why, suffix = fmt.Sprintf("is damaged (%v)", err), "damaged"
		} else if err != nil {
			return Moved{}, err
		}
	}
	if why == "" {
		return Moved{}, nil
	}
	to, err := moveDatabase(file, file+"."+suffix)
	if err != nil {
		return Moved{}, err
	}
	return Moved{to, why}, createSchema(file)
}

// clockSlack is how much a clock may be corrected by without harm: timers are late by as much.
const clockSlack = time.Minute

// writtenAfter says whether a database was written to after some time.
func writtenAfter(file string, t time.Time) bool {
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(file + suffix); err == nil && info.ModTime().After(t) {
			return true
		}
	}
	return false
}

// errDamage is what SQLite finds when it looks through a database.
var errDamage = errors.New("database disk image is malformed")

// isDamage tells a database that is damaged from one that cannot be read now.
func isDamage(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		primary := e.Code() & 0xff
		return primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB
	}
	return errors.Is(err, errDamage)
}

// check reads a whole database.
func check(file string) error {
	db, err := open(file)
	if err != nil {
		return err
	}
	defer db.Close()
	var said string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("%w: %s", errDamage, said)
	}
	return nil
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
		return 0, fmt.Errorf("read %s: %w", file, err)
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

// moveDatabase gives a database another name, or that with a number if there is one of that name.
func moveDatabase(file, to string) (string, error) {
	base := to
	for n := 2; exists(to); n++ {
		to = fmt.Sprintf("%s-%d", base, n)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(file+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return to, nil
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
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
