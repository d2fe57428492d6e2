package plugins

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// maxList is more than a list of ten million names.
const maxList = 1 << 30

// lists gives every job the side of the list that names it, as if the publisher had. A name is that of one sample: its
// id, what its id was made of, or the path of its first file if that is no other sample's. There is no joining by position.
func (k *curator) lists() error {
	if k.rule.Rule != RuleFile {
		return nil
	}
	byName := k.byName()
	for _, side := range document.Splits() {
		file := k.rule.Files[side]
		if file == "" {
			continue
		}
		l := document.SplitList{Side: side, Path: file, Digest: k.tree.known[file]}
		err := k.names(file, func(name string) error {
			l.Names++
			j := byName[name]
			if j == nil {
				j = byName[Key(name)]
			}
			switch {
			case j == nil:
				l.Unmatched++
			case j.Split != "" && j.Split != side:
				return fmt.Errorf("split files: sample %s is on the lists of %s and %s", j.ID, j.Split, side)
			default:
				j.Split = side
			}
			return nil
		})
		if err != nil {
			return err
		}
		if l.Names == l.Unmatched {
			return fmt.Errorf("split files: none of the %d names in %s is a sample's; names are ids such as %s, or paths of files", l.Names, file, k.jobs[0].ID)
		}
		k.splits = append(k.splits, l)
	}
	for _, j := range k.open() {
		if j.Split == "" {
			j.exclude("not-in-split-file", "no list of a side names the sample")
		}
	}
	return nil
}

// byName finds jobs by their names. What the recipe says of sides does not count.
func (k *curator) byName() map[string]*job {
	users := k.users()
	out := map[string]*job{}
	for _, j := range k.jobs {
		j.Split = ""
		if len(j.Files) > 0 && users[j.Files[0]] == 1 {
			out[j.Files[0]] = j
		}
	}
	for _, j := range k.jobs {
		out[j.ID] = j
	}
	return out
}

// names reads a list.
func (k *curator) names(file string, each func(string) error) error {
	at, here := slices.BinarySearchFunc(k.tree.Files(), file, func(f File, path string) int { return strings.Compare(f.Path, path) })
	if !here {
		return fmt.Errorf("split files: %s is not in the raw tree", file)
	}
	if size := k.tree.Files()[at].Size; size > maxList {
		return fmt.Errorf("split files: %s has %d bytes, the limit is %d", file, size, maxList)
	}
	r, err := k.tree.Open(file)
	if err != nil {
		return fmt.Errorf("split files: %w", err)
	}
	defer r.Close()
	scan := bufio.NewScanner(r)
	for first := true; scan.Scan(); first = false {
		name := scan.Text()
		if first {
			name = strings.TrimPrefix(name, "\ufeff")
		}
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if err := each(name); err != nil {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("split files: %s: %w", file, err)
	}
	return nil
}
