// Package all is the explicit list of the plugins that come with Cairn.
package all

import (
	"net/http"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/arrays"
	"github.com/cairn-bench/cairn/plugins/curate/connectome"
	"github.com/cairn-bench/cairn/plugins/curate/ecg"
	"github.com/cairn-bench/cairn/plugins/curate/eeg"
	"github.com/cairn-bench/cairn/plugins/curate/ehr"
	"github.com/cairn-bench/cairn/plugins/curate/expression"
	"github.com/cairn-bench/cairn/plugins/curate/gait"
	"github.com/cairn-bench/cairn/plugins/curate/graph"
	"github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/curate/node"
	"github.com/cairn-bench/cairn/plugins/curate/table"
	"github.com/cairn-bench/cairn/plugins/curate/text"
	"github.com/cairn-bench/cairn/plugins/curate/video"
	"github.com/cairn-bench/cairn/plugins/curate/volume"
	"github.com/cairn-bench/cairn/plugins/evaluate/classification"
	"github.com/cairn-bench/cairn/plugins/fetch/atlas"
	"github.com/cairn-bench/cairn/plugins/fetch/azure"
	"github.com/cairn-bench/cairn/plugins/fetch/dir"
	"github.com/cairn-bench/cairn/plugins/fetch/drop"
	"github.com/cairn-bench/cairn/plugins/fetch/figshare"
	"github.com/cairn-bench/cairn/plugins/fetch/geo"
	"github.com/cairn-bench/cairn/plugins/fetch/github"
	httpfetch "github.com/cairn-bench/cairn/plugins/fetch/http"
	"github.com/cairn-bench/cairn/plugins/fetch/huggingface"
	"github.com/cairn-bench/cairn/plugins/fetch/isic"
	"github.com/cairn-bench/cairn/plugins/fetch/kaggle"
	"github.com/cairn-bench/cairn/plugins/fetch/mendeley"
	"github.com/cairn-bench/cairn/plugins/fetch/physionet"
	"github.com/cairn-bench/cairn/plugins/fetch/s3"
	sftpfetch "github.com/cairn-bench/cairn/plugins/fetch/sftp"
	"github.com/cairn-bench/cairn/plugins/fetch/snap"
	"github.com/cairn-bench/cairn/plugins/fetch/synthetic"
	"github.com/cairn-bench/cairn/plugins/fetch/tcia"
	"github.com/cairn-bench/cairn/plugins/fetch/tudataset"
	"github.com/cairn-bench/cairn/plugins/fetch/zenodo"
	gopretrain "github.com/cairn-bench/cairn/plugins/pretrain/go"
)

// Plugins returns the set.
func Plugins() (plugins.Set, error) { return Over(nil) }

// Over returns the set, whose sources on the internet are reached with that client; nil means one of their own. A test
// brings its publishers in a box.
func Over(client *http.Client) (plugins.Set, error) {
	return plugins.NewSet(
		dir.Plugin(), drop.Plugin(), synthetic.Plugin(),
		httpfetch.Plugin(client), s3.Plugin(client), azure.Plugin(client), sftpfetch.Plugin(sftpfetch.Options{}),
		physionet.Plugin(client), kaggle.Plugin(client), huggingface.Plugin(client), github.Plugin(client),
		zenodo.Plugin(client), figshare.Plugin(client), mendeley.Plugin(client),
		isic.Plugin(client), tcia.Plugin(client), geo.Plugin(client), atlas.Plugin(client), tudataset.Plugin(client), snap.Plugin(client),
		arrays.Plugin(), connectome.Plugin(), ecg.Plugin(), eeg.Plugin(), ehr.Plugin(), expression.Plugin(), gait.Plugin(),
		graph.Plugin(), image.Plugin(), node.Plugin(), table.Plugin(), text.Plugin(), video.Plugin(), video.FFmpeg(), volume.Plugin(),
		gopretrain.New(),
		classification.Plugin(),
	)
}
