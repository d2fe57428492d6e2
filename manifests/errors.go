package manifests

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxErrors bounds what is collected from one file: a person reads a few, a hostile file could give millions.
const maxErrors = 1000

// Error is one thing that is wrong in a file, and where.
type Error struct {
	File    string `json:"file"`
	Line    int    `json:"line"`           // from 1
	Column  int    `json:"column"`         // from 1, in characters
	Path    string `json:"path,omitempty"` // datasets.ecg.fetch.params.records
	Message string `json:"message"`
}

func (e Error) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		where += e.Path + ": "
	}
	return where + e.Message
}

// Errors is everything that is wrong in a file, in the order of the file.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(x, y Error) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
}
