package cas

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// Unfinished says how many bytes are saved in the uploads whose names begin so: the next Upload of each goes on
// behind its own. It takes no lock and changes nothing, so of an upload that somebody is at it says what was saved
// a moment ago.
func (l *Layout) Unfinished(prefix string) (bytes int64, err error) {
	entries, err := l.fsys.ReadDir(l.uploads())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, l.fault("list uploads", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), uploadSaved)
		if !ok || !strings.HasPrefix(name, prefix) {
			continue
		}
		if s, ok := l.saved(name); ok {
			bytes += s.Offset
		}
	}
	return bytes, nil
}

// saved reads what was last saved of an upload, if it is of use.
func (l *Layout) saved(name string) (uploadState, bool) {
	info, err := l.fsys.Stat(filepath.Join(l.uploads(), name+uploadData))
	if err != nil {
		return uploadState{}, false
	}
	sealed, err := readFile(l.fsys, filepath.Join(l.uploads(), name+uploadSaved))
	if err != nil {
		return uploadState{}, false
	}
	s, _, ok := unseal(name, info.Size(), sealed)
	return s, ok
}
