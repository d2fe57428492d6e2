package all_test

import (
	"testing"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
)

// TestEstimates: what each source knows of itself before anything is fetched.
func TestEstimates(t *testing.T) {
	set, err := all.Plugins()
	if err != nil {
		t.Fatal(err)
	}
	const commit = `"commit":"0123456789012345678901234567890123456789"`
	unknown, archives := plugins.Estimate{Bytes: -1}, plugins.Estimate{Bytes: -1, Unpacks: true}
	for _, c := range []struct {
		plugin, params string
		want           plugins.Estimate
	}{
		{"azure", `{"container":"echonetdynamic-2"}`, unknown},
		{"azure", `{"container":"echonetdynamic-2","unpack":["*.zip"]}`, archives},
		{"drop", `{"folder":"d","files":[{"path":"a","size":3},{"path":"b","size":4}]}`, plugins.Estimate{Bytes: 7}},
		{"drop", `{"folder":"d","files":[{"path":"a","size":3},{"path":"b.zip"},{"path":"c","size":4}],"unpack":["*.zip"]}`, archives},
		{"drop", `{"folder":"d","sums":{"path":"s","sha256":"0123456789012345678901234567890123456789012345678901234567890123"}}`, unknown},
		{"expression-atlas", `{"experiments":["E-MTAB-513"]}`, unknown},
		{"figshare", `{"article":1,"version":1}`, unknown},
		{"geo", `{"accessions":["GDS505"],"parts":["soft"]}`, unknown},
		{"github", `{"repo":"a/b",` + commit + `,"unpack":["*.zip"]}`, archives},
		{"http", `{"files":[{"url":"https://a.example/a","size":3},{"url":"https://a.example/b.zip","size":4,"unpack":true}]}`, plugins.Estimate{Bytes: 7, Unpacks: true}},
		{"http", `{"files":[{"url":"https://a.example/a","size":3},{"url":"https://a.example/b"}]}`, unknown},
		{"http", `{"sums":"https://a.example/SHA256SUMS.txt"}`, unknown},
		{"huggingface", `{"repo":"a/b",` + commit + `}`, unknown},
		{"isic", `{"challenge":[{"key":"2018/a.zip","size":3},{"key":"2018/b.csv","size":4}],"unpack":["**/*.zip"]}`, plugins.Estimate{Bytes: 7, Unpacks: true}},
		{"isic", `{"challenge":[{"key":"2018/a.zip","size":3},{"key":"2018/b.csv"}],"exclude":["**/b.csv"]}`, plugins.Estimate{Bytes: 3}},
		{"isic", `{"collections":[70],"challenge":[{"key":"2018/a.zip","size":3}]}`, unknown},
		{"kaggle", `{"dataset":"a/b","version":1}`, unknown},
		{"kaggle", `{"dataset":"a/b","version":1,"archive":true}`, archives},
		{"mendeley", `{"dataset":"zr7vgbcyr2","version":1}`, unknown},
		{"physionet", `{"project":"ptb-xl","version":"1.0.3"}`, unknown},
		{"s3", `{"bucket":"a-bucket"}`, unknown},
		{"sftp", `{"host":"a.example","path":"p"}`, unknown},
		{"snap", `{"files":["graphsage/ppi.zip"]}`, archives},
		{"snap", `{"files":["graphsage/ppi.zip"],"unpack":false}`, unknown},
		{"synthetic", `{"dataset":"table","samples":40}`, unknown},
		{"tcia", `{"collection":"CMMD"}`, archives},
		{"tudataset", `{"name":"PROTEINS"}`, archives},
		{"zenodo", `{"record":1}`, unknown},
	} {
		p, err := set.Find(catalog.Fetch, c.plugin)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := p.Estimate(t.Context(), []byte(c.params), plugins.Env{})
		if err != nil || got != c.want {
			t.Errorf("%s %s: %+v, %v; want %+v", c.plugin, c.params, got, err, c.want)
		}
	}
}
