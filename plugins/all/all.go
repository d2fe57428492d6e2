// Package all is the explicit list of the plugins that come with Cairn.
package all

import (
	"net/http"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/ecg"
	"github.com/cairn-bench/cairn/plugins/curate/graph"
	"github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/curate/table"
	"github.com/cairn-bench/cairn/plugins/evaluate/classification"
	"github.com/cairn-bench/cairn/plugins/fetch/dir"
	httpfetch "github.com/cairn-bench/cairn/plugins/fetch/http"
	"github.com/cairn-bench/cairn/plugins/fetch/synthetic"
	gopretrain "github.com/cairn-bench/cairn/plugins/pretrain/go"
)

// Plugins returns the set.
func Plugins() (plugins.Set, error) { return Over(nil) }

// Over returns the set, whose sources on the internet are reached with that client; nil means one of their own. A test
// brings its publishers in a box.
func Over(client *http.Client) (plugins.Set, error) {
	return plugins.NewSet(
		dir.Plugin(), httpfetch.Plugin(client), synthetic.Plugin(),
		ecg.Plugin(), graph.Plugin(), image.Plugin(), table.Plugin(),
		gopretrain.New(),
		classification.Plugin(),
	)
}
