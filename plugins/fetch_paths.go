package plugins

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
)

// Reasons why a path cannot stand in an artifact.
var (
	ErrUnsafePath = errors.New("path is not a clean relative path")
	ErrPathTwice  = errors.New("path is given twice")
	ErrPathClash  = errors.New("path cannot lie beside another one on every file system")
)

// PathSet collects the paths of a tree and refuses what cannot be unpacked everywhere: a path that leaves the
// folder, control characters, the same path twice, two paths that differ only in case, and a file where
// another path needs a folder. The zero value is empty. It is not safe for concurrent use.
type PathSet struct {
	files   map[string]string // folded -> as written
	folders map[string]string
}

// Add puts one file into the set.
func (s *PathSet) Add(file string) error {
	if err := CheckPath(file); err != nil {
		return err
	}
	if s.files == nil {
		s.files, s.folders = map[string]string{}, map[string]string{}
	}
	folded := strings.ToLower(file)
	if other, ok := s.files[folded]; ok && other == file {
		return fmt.Errorf("%q: %w", file, ErrPathTwice)
	} else if ok {
		return fmt.Errorf("%q and %q: %w", other, file, ErrPathClash)
	}
	if inside, ok := s.folders[folded]; ok {
		return fmt.Errorf("%q and %q: %w", inside, file, ErrPathClash)
	}
	if err := s.addFolders(file); err != nil {
		return err
	}
	s.files[folded] = file
	return nil
}

// addFolders notes every folder above file, unless a file stands there or it is written in another case.
func (s *PathSet) addFolders(file string) error {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		folded := strings.ToLower(dir)
		if other, ok := s.files[folded]; ok {
			return fmt.Errorf("%q and %q: %w", other, file, ErrPathClash)
		}
		if inside, ok := s.folders[folded]; !ok {
			s.folders[folded] = file
		} else if !strings.HasPrefix(inside, dir+"/") {
			return fmt.Errorf("%q and %q: %w", inside, file, ErrPathClash)
		}
	}
	return nil
}

// CheckPath says whether a path is relative, clean and free of what one system or another reads as a special
// character.
func CheckPath(file string) error {
	switch {
	case !fs.ValidPath(file) || file == ".":
		return fmt.Errorf("%q: %w", file, ErrUnsafePath)
	case strings.Contains(file, `\`):
		return fmt.Errorf("%q: %w: it holds a backslash", file, ErrUnsafePath)
	case len(file) > 1 && file[1] == ':' && (file[0]|0x20) >= 'a' && (file[0]|0x20) <= 'z':
		return fmt.Errorf("%q: %w: it begins with a drive letter", file, ErrUnsafePath)
	case strings.ContainsFunc(file, unicode.IsControl):
		return fmt.Errorf("%q: %w: it holds a control character", file, ErrUnsafePath)
	}
	return nil
}
