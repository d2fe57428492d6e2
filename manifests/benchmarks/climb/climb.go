// Package climb holds the catalog of CLIMB's datasets, so that a program has it without a network and without files.
package climb

import (
	"embed"

	"github.com/cairn-bench/cairn/manifests/dataset"
)

//go:embed sources.yaml access.yaml selection.yaml datasets
var files embed.FS

// Catalog reads and checks the catalog.
func Catalog() (*dataset.Catalog, error) { return dataset.Load(files) }
