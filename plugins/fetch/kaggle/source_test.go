package kaggle

import (
	"net/url"
	"testing"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

// TestSource: a competition, one of whose files comes as a zip, and a dataset.
func TestSource(t *testing.T) {
	for name, open := range map[string]func() sourcetest.World{"competition": competition, "dataset": dataset} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: open, Except: map[string]string{
				"fault/page": "all data lies behind a redirect, and a page there is taken for a login page (fault/login page)",
			}})
		})
	}
}

// world is what all cases share. files is a folder of the publisher's.
func world(k *publisher.Kaggle, files map[string][]byte) sourcetest.World {
	k.Users = map[string]publisher.KaggleUser{"ann": {Token: "KGAT_s3cr3t", Accepted: []string{"blindness"}}}
	put := func(name string, data []byte) func() { return func() { files[name] = data } }
	same := sourcetest.Random(sourcetest.Small, 9)
	want := map[string][]byte{}
	for name, data := range files {
		want[name] = data
	}
	return sourcetest.World{
		Hosts: hosts(k), Files: want, Versions: true,
		Data: func(u *url.URL) string {
			if u.Host == "storage.googleapis.com" {
				return u.Path
			}
			return ""
		},
		Secrets: map[string]string{"KAGGLE_API_TOKEN": "KGAT_s3cr3t"}, Trusted: []string{"www.kaggle.com"},
		Touch: put("images/1.png", same), Replace: put("images/1.png", sourcetest.Random(100, 8)),
		Add: put("images/2.png", same), Remove: func() { delete(files, "images/1.png") },
	}
}

func folder() map[string][]byte {
	return map[string][]byte{
		"train.csv": sourcetest.Random(sourcetest.Large, 1), "images/1.png": sourcetest.Random(sourcetest.Small, 2), "empty.txt": {},
	}
}

func competition() sourcetest.World {
	files := folder()
	k := &publisher.Kaggle{Competitions: map[string]map[string][]byte{"blindness": files}, Zipped: map[string]bool{"train.csv": true}, Most: 2}
	w := world(k, files)
	w.Params = `{"competition":"blindness"}`
	w.Terms = func() func() {
		ann := k.Users["ann"]
		k.Users["ann"] = publisher.KaggleUser{Token: ann.Token}
		return func() { k.Users["ann"] = ann }
	}
	return w
}

func dataset() sourcetest.World {
	files := folder()
	w := world(&publisher.Kaggle{Datasets: map[string]map[int]map[string][]byte{"ann/hearts": {2: files}}}, files)
	w.Params, w.Optional = `{"dataset":"ann/hearts","version":2}`, true
	return w
}
