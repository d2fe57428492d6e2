// Package pick chooses among the files that a publisher lists: which are wanted, and which of them are archives that are
// to be unpacked. Patterns are those of package match.
package pick

import (
	"fmt"
	"path"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
)

// Params choose. A plugin embeds them in its own.
type Params struct {
	Include []string `json:"include" jsonschema:"patterns of paths to fetch, such as train/**; none means all"`
	Exclude []string `json:"exclude" jsonschema:"patterns of paths to leave out"`
	Unpack  []string `json:"unpack" jsonschema:"patterns of archives (tar, tar.gz or zip) to unpack into the folder that they lie in"`
}

// All are the defaults: every file, as it is.
func All() Params { return Params{Include: []string{}, Exclude: []string{}, Unpack: []string{}} }

// Check names the pattern that is malformed, if one is.
func (p Params) Check() error {
	if err := p.wanted().Check(); err != nil {
		return err
	}
	if err := (match.Filter{Include: p.Unpack}).Check(); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

func (p Params) wanted() match.Filter { return match.Filter{Include: p.Include, Exclude: p.Exclude} }

// Estimate is what is known of a publisher's list before it is asked for.
func (p Params) Estimate() plugins.Estimate {
	return plugins.Estimate{Bytes: -1, Unpacks: len(p.Unpack) > 0}
}

// Keep says whether a path is wanted.
func (p Params) Keep(file string) bool { return p.wanted().Keep(file) }

// Files returns the listed files that are wanted, those that are to be unpacked with what does it.
func (p Params) Files(listed []plugins.SourceFile) []plugins.SourceFile {
	archives := match.Filter{Include: p.Unpack}
	var out []plugins.SourceFile
	for _, f := range listed {
		if !p.Keep(f.Path) {
			continue
		}
		if len(p.Unpack) > 0 && archives.Keep(f.Path) {
			f.Expand = archive.Expand(f.Ref, archive.Options{Prefix: folder(f.Path)})
		}
		out = append(out, f)
	}
	return out
}

// folder is where a file lies, "" for the top.
func folder(file string) string {
	if dir := path.Dir(file); dir != "." {
		return dir
	}
	return ""
}
