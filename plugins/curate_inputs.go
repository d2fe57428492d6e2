package plugins

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// rawInput is the name of the dataset's own fetched files among the inputs of a curation.
const rawInput = "raw"

// beside lays fetched files of other datasets beside those of the dataset itself: its own are at the root, and each other's in a folder of its
// name.
func beside(inputs []Input) (Tree, error) {
	if len(inputs) == 1 {
		return inputs[0].Tree, nil
	}
	out := &besideTree{trees: map[string]Tree{}}
	for _, in := range inputs {
		folder := in.Name + "/"
		if in.Name == rawInput {
			folder = ""
		}
		out.trees[folder] = in.Tree
		for _, f := range in.Tree.Files() {
			f.Path = folder + f.Path
			out.files = append(out.files, f)
		}
	}
	if out.trees[""] == nil {
		return nil, errors.New("the dataset's own files are not among the inputs")
	}
	slices.SortFunc(out.files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for _, f := range out.trees[""].Files() {
		if folder, _, _ := strings.Cut(f.Path, "/"); out.trees[folder+"/"] != nil {
			return nil, fmt.Errorf("%s lies where the files of %s come", f.Path, folder)
		}
	}
	return out, nil
}

// besideTree is several trees in one.
type besideTree struct {
	trees map[string]Tree // by folder, with a slash at its end
	files []File
}

func (t *besideTree) Files() []File { return t.files }

// in finds the tree that a path lies in.
func (t *besideTree) in(path string) (Tree, string) {
	if folder, rest, below := strings.Cut(path, "/"); below {
		if tree := t.trees[folder+"/"]; tree != nil {
			return tree, rest
		}
	}
	return t.trees[""], path
}

func (t *besideTree) Open(path string) (io.ReadCloser, error) {
	tree, rest := t.in(path)
	return tree.Open(rest)
}

func (t *besideTree) ReadFile(path string) ([]byte, error) {
	tree, rest := t.in(path)
	return tree.ReadFile(rest)
}
