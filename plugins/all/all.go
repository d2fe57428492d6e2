// Package all is the explicit list of the plugins that come with Cairn.
package all

import (
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/ecg"
	"github.com/cairn-bench/cairn/plugins/curate/graph"
	"github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/curate/table"
	"github.com/cairn-bench/cairn/plugins/evaluate/classification"
	"github.com/cairn-bench/cairn/plugins/fetch/atlas"
	"github.com/cairn-bench/cairn/plugins/fetch/dir"
	"github.com/cairn-bench/cairn/plugins/fetch/drop"
	"github.com/cairn-bench/cairn/plugins/fetch/geo"
	httpfetch "github.com/cairn-bench/cairn/plugins/fetch/http"
	sftpfetch "github.com/cairn-bench/cairn/plugins/fetch/sftp"
	"github.com/cairn-bench/cairn/plugins/fetch/snap"
	"github.com/cairn-bench/cairn/plugins/fetch/synthetic"
	"github.com/cairn-bench/cairn/plugins/fetch/tudataset"
	gopretrain "github.com/cairn-bench/cairn/plugins/pretrain/go"
)

// Plugins returns the set.
func Plugins() (plugins.Set, error) {
	return plugins.NewSet(
		dir.Plugin(), drop.Plugin(), httpfetch.Plugin(nil), synthetic.Plugin(),
		atlas.Plugin(nil), geo.Plugin(nil), sftpfetch.Plugin(sftpfetch.Options{}), snap.Plugin(nil), tudataset.Plugin(nil),
		ecg.Plugin(), graph.Plugin(), image.Plugin(), table.Plugin(),
		gopretrain.New(),
		classification.Plugin(),
	)
}
