package cli

import (
	"cmp"

	"github.com/cairn-bench/cairn/workflows"
)

// Release says which program this is. The zero value is the one that was built; tests stand for others with it.
type Release struct {
	Name      string // "" is what the version control calls it
	Workflows int    // version of the workflow code; 0 is workflows.Version
}

func (r Release) name() string { return "cairn " + cmp.Or(r.Name, version()) }

func (r Release) workflows() int { return cmp.Or(r.Workflows, workflows.Version) }
