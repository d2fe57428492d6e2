package mendeley

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world, Except: map[string]string{
		"fault/page": "the data lies behind a redirect, and a page there is taken for a login page (fault/login page)",
	}})
}

func world() sourcetest.World {
	files := map[string][]byte{"large.bin": sourcetest.Random(sourcetest.Large, 1), "sub/deep/small.bin": sourcetest.Random(sourcetest.Small, 2), "empty": {}}
	sums := map[string]digest.Digest{}
	m := &publisher.Mendeley{Datasets: map[string]map[int64]publisher.MendeleyDataset{"zr7vgbcyr2": {1: {Files: files, Sums: sums}}}}
	return sourcetest.World{
		Params: `{"dataset":"zr7vgbcyr2","version":1}`, Hosts: m.Hosts(), Files: maps.Clone(files), Sums: true, Versions: true,
		Data: func(u *url.URL) string {
			if strings.HasSuffix(u.Host, ".amazonaws.com") {
				return u.Path
			}
			return ""
		},
		Touch: func() {
			sums["large.bin"] = digest.FromBytes(files["large.bin"])
			files["large.bin"] = sourcetest.Random(sourcetest.Large, 3)
		},
		Relist:  func() { sums["large.bin"] = digest.FromString("other") },
		Replace: func() { files["sub/deep/small.bin"] = sourcetest.Random(100, 4) },
		Add:     func() { files["other/new.bin"] = []byte("new") },
		Remove:  func() { delete(files, "empty") },
	}
}
