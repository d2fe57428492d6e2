package zenodo

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

func TestSource(t *testing.T) {
	for name, open := range map[string]func() sourcetest.World{"open": func() sourcetest.World { return world(false) }, "restricted": func() sourcetest.World { return world(true) }} {
		t.Run(name, func(t *testing.T) { sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: open}) })
	}
}

func world(restricted bool) sourcetest.World {
	files := map[string][]byte{"large scan.bin": sourcetest.Random(sourcetest.Large, 1), "small.bin": sourcetest.Random(sourcetest.Small, 2), "empty": {}}
	sums := map[string]string{}
	z := &publisher.Zenodo{
		Records: map[int64]publisher.ZenodoRecord{7: {Files: files, Sums: sums, Restricted: restricted}},
		Tokens:  map[string]int64{secret: 7}, Guests: 1 << 30, Users: 1 << 30,
	}
	const old = "71449104d017a6056ac1a5fb58754975"
	w := sourcetest.World{
		Params: `{"record":7}`, Hosts: publisher.Hosts{"zenodo.org": z}, Files: maps.Clone(files), Sums: true, Versions: true,
		Data: func(u *url.URL) string {
			if file, ok := strings.CutSuffix(u.Path, "/content"); ok {
				return file
			}
			return ""
		},
		Touch:   func() { files["small.bin"], sums["small.bin"] = sourcetest.Random(sourcetest.Small, 3), old },
		Relist:  func() { sums["small.bin"] = old },
		Replace: func() { files["small.bin"] = sourcetest.Random(100, 4) },
		Add:     func() { files["new.bin"] = []byte("new") },
		Remove:  func() { delete(files, "small.bin") },
	}
	if restricted {
		w.Params, w.Secrets, w.Trusted = `{"record":7,"restricted":true}`, map[string]string{token: secret}, []string{"zenodo.org"}
		w.Terms = func() func() {
			z.Tokens[secret] = 0
			return func() { z.Tokens[secret] = 7 }
		}
	}
	return w
}
