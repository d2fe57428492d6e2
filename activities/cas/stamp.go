package cas

import (
	"os"
	"time"
)

// Stamp is what a file looks like without reading it. Whoever writes to a file or puts another in its place changes
// it; only who sets the clock, or writes to the disk below the file system, can keep it.
type Stamp struct {
	Size   int64  `json:"size"`
	Mtime  int64  `json:"mtime"` // ns
	Ctime  int64  `json:"ctime"` // ns; no program can set it
	Inode  uint64 `json:"inode"`
	Device uint64 `json:"device"`
}

// settling is how long a file must have been left alone before it was read. The time of a change is as coarse as the
// file system keeps it, two seconds at worst: a change right after the reading could otherwise leave the times as they
// were (git calls such an entry racy).
const settling = 3 * time.Second

// Settled says whether every change later than a reading of the file must have changed the stamp. read is when the
// reading began. Both times are of the file system's clock; if it was set back after the file was written, the file is
// not settled, and it is read again.
func (s Stamp) Settled(read time.Time) bool {
	return !read.IsZero() && time.Unix(0, max(s.Mtime, s.Ctime)).Add(settling).Before(read)
}

// FileClock asks the file system of a folder for the time: with a server it may not be ours. It is zero if there is no
// answer, and then nothing is settled.
func FileClock(dir string) time.Time {
	f, err := os.CreateTemp(dir, ".clock-")
	if err != nil {
		return time.Time{}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC()
}
