package figshare

import (
	"net/url"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

func TestSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: world, Except: map[string]string{
		"fault/page": "the data lies behind a redirect, and a page there is taken for a login page (fault/login page)",
	}})
}

func world() sourcetest.World {
	files := []publisher.FigshareFile{
		{ID: 1, Name: "large.bin", Data: sourcetest.Random(sourcetest.Large, 1)},
		{ID: 2, Name: "small.bin", Folder: "sub", Data: sourcetest.Random(sourcetest.Small, 2)},
		{ID: 3, Name: "empty"},
	}
	article := publisher.FigshareArticle{Files: files}
	f := &publisher.Figshare{Articles: map[int64]map[int64]publisher.FigshareArticle{7: {1: article}}}
	const old = "71449104d017a6056ac1a5fb58754975"
	put := func(change func(a *publisher.FigshareArticle)) func() {
		return func() { change(&article); f.Articles[7][1] = article }
	}
	return sourcetest.World{
		Params: `{"article":7,"version":1}`, Hosts: f.Hosts(), Sums: true, Versions: true,
		Files: map[string][]byte{"large.bin": files[0].Data, "sub/small.bin": files[1].Data, "empty": {}},
		Data: func(u *url.URL) string {
			if strings.HasPrefix(u.Path, "/pfigshare-u-files/") {
				return u.Path
			}
			return ""
		},
		Touch: put(func(a *publisher.FigshareArticle) {
			a.Files[1].Data, a.Files[1].Computed = sourcetest.Random(sourcetest.Small, 3), old
		}),
		Relist:  put(func(a *publisher.FigshareArticle) { a.Files[1].Computed = old }),
		Replace: put(func(a *publisher.FigshareArticle) { a.Files[1].Data = sourcetest.Random(100, 4) }),
		Add: put(func(a *publisher.FigshareArticle) {
			a.Files = append(a.Files, publisher.FigshareFile{ID: 4, Name: "new"})
		}),
		Remove: put(func(a *publisher.FigshareArticle) { a.Files = a.Files[:2] }),
	}
}
