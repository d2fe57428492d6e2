package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// stamp is what a file looks like without reading it. Whoever writes to a file or puts another in its place changes
// it; only who sets the clock, or writes to the disk below the file system, can keep it.
type stamp struct {
	Size   int64  `json:"size"`
	Mtime  int64  `json:"mtime"` // ns
	Ctime  int64  `json:"ctime"` // ns; no program can set it
	Inode  uint64 `json:"inode"`
	Device uint64 `json:"device"`
}

// sighting is what a blob looked like that was read and found right.
type sighting struct {
	stamp
	Read time.Time `json:"read"` // when the reading began, by the clock of the file system
}

// settling is how long a file must have been left alone before it was read. The time of a change is as coarse as the
// file system keeps it, two seconds at worst: a change right after the reading could otherwise leave the times as they
// were (git calls such an entry racy).
const settling = 3 * time.Second

// settled says whether every later change must have changed the stamp. Both times are of the file system's clock; if it
// was set back after the file was written, the file is not settled, and it is read again.
func (s sighting) settled() bool {
	return !s.Read.IsZero() && time.Unix(0, max(s.Mtime, s.Ctime)).Add(settling).Before(s.Read)
}

// fileClock asks the file system of a folder for the time: with a server it may not be ours.
func fileClock(dir string) time.Time {
	f, err := os.CreateTemp(dir, ".clock-")
	if err != nil {
		return time.Time{} // so nothing is settled
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC()
}

// sightings is a table that can be lost at any time: what is not in it is read again.
type sightings map[digest.Digest]sighting

const sightingsSchema = "cairn/verified/v1"

type sightingsFile struct {
	Schema string    `json:"schema"`
	Blobs  sightings `json:"blobs"`
}

// readSightings takes a table that cannot be read for an empty one.
func readSightings(path string) sightings {
	var f sightingsFile
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &f) != nil || f.Schema != sightingsSchema || f.Blobs == nil {
		return sightings{}
	}
	return f.Blobs
}

func (s sightings) write(path string) error {
	text, err := json.Marshal(sightingsFile{sightingsSchema, s})
	if err != nil {
		return err
	}
	return cas.ReplaceFile(filepath.Dir(path), path, text)
}
