package isic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func box() *publisher.ISIC {
	a := &publisher.ISIC{PageSize: 3, Images: map[string]publisher.ISICImage{}, Challenge: map[string][]byte{"2018/Task3 Input.zip": bytes.Repeat([]byte("0123456789"), 1000)}}
	for i := range 10 {
		sex := "male"
		if i%2 == 0 {
			sex = "female"
		}
		a.Images[fmt.Sprintf("ISIC_%07d", i)] = publisher.ISICImage{Data: []byte{0xff, 0xd8, byte(i)}, Collections: []int64{70, int64(i)}, Clinical: map[string]string{"sex": sex}}
	}
	return a
}

func run(t *testing.T, hosts publisher.Hosts, params string) (plugintest.Files, *publisher.Box, error) {
	t.Helper()
	b := hosts.Open(t)
	env := plugins.Env{Retry: plugins.Retry{Attempts: 1}}
	files, err := plugintest.Case{Plugin: Plugin(b.Client), Params: params, Env: env}.Run(t.Context(), 2, t.TempDir())
	return files, b, err
}

const line7 = `{"attribution":"Anonymous","copyright_license":"CC-BY","isic_id":"ISIC_0000007","metadata":{"acquisition":{"pixels_x":1024,"pixels_y":768},"clinical":{"sex":"male"}},"public":true}` + "\n"

func TestImages(t *testing.T) {
	files, b, err := run(t, box().Hosts(), `{"collections":[70],"query":"sex:male"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"dataset.json", "images/ISIC_0000001.jpg", "images/ISIC_0000003.jpg", "images/ISIC_0000005.jpg", "images/ISIC_0000007.jpg", "images/ISIC_0000009.jpg", "metadata.jsonl"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Error(diff)
	}
	if got := string(files["images/ISIC_0000007.jpg"]); got != "\xff\xd8\x07" {
		t.Errorf("image is %q", got)
	}
	lines := strings.SplitAfter(string(files["metadata.jsonl"]), "\n")
	if len(lines) != 6 || lines[3] != line7 {
		t.Errorf("metadata is %q", files["metadata.jsonl"])
	}
	if n, _ := b.Asked(); n != 2+5 {
		t.Errorf("%d requests, want 2 pages and 5 images: %v", n, b.Requests())
	}
	for path, text := range files {
		if bytes.Contains(text, []byte("Signature")) {
			t.Errorf("%s holds a signed address", path)
		}
	}
}

// TestOrder: in whatever order the archive lists, the files are the same.
func TestOrder(t *testing.T) {
	first, _, err := run(t, box().Hosts(), `{"collections":[1,4,3]}`)
	if err != nil {
		t.Fatal(err)
	}
	other := box()
	other.PageSize = 1
	second, _, err := run(t, other.Hosts(), `{"collections":[1,4,3]}`)
	if err != nil || plugintest.Diff(first, second) != "" {
		t.Error(err, plugintest.Diff(first, second))
	}
}

func TestPinned(t *testing.T) {
	a := box()
	files, _, err := run(t, a.Hosts(), `{"collections":[70]}`)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Source map[string]string }
	if err := json.Unmarshal(files["dataset.json"], &doc); err != nil {
		t.Fatal(err)
	}
	params := fmt.Sprintf(`{"collections":[70],"list":%q}`, doc.Source["list"])
	if _, _, err := run(t, a.Hosts(), params); err != nil {
		t.Errorf("the list is the same: %v", err)
	}
	a.Images["ISIC_0000010"] = publisher.ISICImage{Data: []byte("new"), Collections: []int64{70}}
	_, b, err := run(t, a.Hosts(), params)
	if plugins.FaultCode(err) != plugins.FaultManifest || !strings.Contains(err.Error(), "it has 11 entries now") {
		t.Errorf("an image was added: %v", err)
	}
	for _, r := range b.Requests() {
		if r.URL.Host == "content.isic-archive.com" {
			t.Errorf("%s: an image was asked for", r)
		}
	}
}

// TestExpired: an address that has expired is asked for anew, and only then.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := box()
		a.Lifetime = time.Minute
		for i := range 10 {
			a.Images[fmt.Sprintf("ISIC_1%06d", i)] = publisher.ISICImage{Data: []byte("abc"), Collections: []int64{70}}
		}
		hosts := a.Hosts()
		slow := hosts["content.isic-archive.com"]
		hosts["content.isic-archive.com"] = publisher.Faulty(slow, publisher.Slow(1, 21*time.Second)) // 63 seconds an image
		files, b, err := run(t, hosts, `{"collections":[70]}`)
		if err != nil || len(files) != 22 {
			t.Errorf("%d files, %v", len(files), err)
		}
		renewed := 0
		for _, r := range b.Requests() {
			if r.URL.Host == "api.isic-archive.com" && !strings.Contains(r.URL.Path, "search") {
				renewed++
			}
		}
		if renewed == 0 || renewed >= 20 {
			t.Errorf("%d addresses were asked for anew", renewed)
		}
	})
}

func TestChallenge(t *testing.T) {
	a := box()
	sum := digest.FromBytes(a.Challenge["2018/Task3 Input.zip"]).Encoded()
	files, _, err := run(t, a.Hosts(), fmt.Sprintf(`{"challenge":[{"key":"2018/Task3 Input.zip","sha256":%q,"size":10000}]}`, sum))
	if err != nil || !bytes.Equal(files["2018/Task3 Input.zip"], a.Challenge["2018/Task3 Input.zip"]) {
		t.Errorf("%v", err)
	}
	_, _, err = run(t, a.Hosts(), fmt.Sprintf(`{"challenge":[{"key":"2018/Task3 Input.zip","sha256":%q}]}`, strings.Repeat("0", 64)))
	if plugins.FaultCode(err) != plugins.FaultDiffers {
		t.Errorf("a wrong checksum: %v", err)
	}
	_, _, err = run(t, a.Hosts(), `{"challenge":[{"key":"2030/none.zip"}]}`)
	if plugins.FaultCode(err) != plugins.FaultAbsent {
		t.Errorf("no such key: %v", err)
	}
}

// answers gives one answer after the other, in JSON.
func answers(texts ...string) publisher.Hosts {
	n := 0
	return publisher.Hosts{"api.isic-archive.com": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, texts[min(n, len(texts)-1)])
		n++
	})}
}

func result(id string) string {
	return fmt.Sprintf(`{"isic_id":%q,"files":{"full":{"url":"https://x.test/%s.JPG?s3cret","size":1}}}`, id, id)
}

func TestOddLists(t *testing.T) {
	const next = `"https://api.isic-archive.com/api/v2/images/search/?cursor=2"`
	for want, hosts := range map[string]publisher.Hosts{
		"announced 2 images and listed 1":                        answers(`{"count":2,"next":`+next+`,"results":[`+result("ISIC_0000001")+`]}`, `{"next":null,"results":[`+result("ISIC_0000001")+`]}`),
		"leads from one page of its list back":                   answers(`{"next":` + next + `,"results":[]}`),
		`leads to a next page at "https://evil.test/api/v2/", w`: answers(`{"next":"https://evil.test/api/v2/?s3cret","results":[]}`),
		`isic_id is "../x"`:                                      answers(`{"results":[` + result("../x") + `]}`),
		"image ISIC_0000001 has no size":                         answers(`{"results":[{"isic_id":"ISIC_0000001"}]}`),
		"image ISIC_0000001 has no address":                      answers(`{"results":[{"isic_id":"ISIC_0000001","files":{"full":{"url":"http://x.test/s3cret","size":1}}}]}`),
		"no public image is in these collections":                answers(`{"count":0,"next":null,"results":[]}`),
	} {
		_, _, err := run(t, hosts, `{"collections":[1]}`)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v; want %q", err, want)
		}
	}
	_, _, err := run(t, box().Hosts(), `{"query":"nonsense"}`)
	if plugins.FaultCode(err) != plugins.FaultRefused || !strings.Contains(err.Error(), "400 Bad Request") {
		t.Errorf("a query that cannot be parsed: %v", err)
	}
}

func TestExtension(t *testing.T) {
	for at, want := range map[string]string{"https://x.test/a/ISIC_1.JPG?e=.png": ".jpg", "https://x.test/a.png": ".png", "https://x.test/a": ".jpg", "https://x.test/a.b%2Fc": ".jpg"} {
		if got := extension(at); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		`{}`: "the whole archive is not fetched", `{"collections":[0]}`: "collections[0] is 0", `{"collections":[1],"list":"x"}`: "list: ",
		`{"challenge":[{"key":"../x"}]}`: "challenge[0]: ", `{"challenge":[{"key":"x","sha256":"0"}]}`: "want 64 small hexadecimal digits",
		`{"challenge":[{"key":"x","size":-1}]}`: "size is -1", `{"challenge":[{"key":"x"}],"list":"` + string(digest.FromString("")) + `"}`: "list pins images",
	} {
		if _, err := Plugin(nil).Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", params, err, want)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"count":1,"next":null,"previous":null,"results":[` + result("ISIC_0000001") + `]}`))
	f.Add([]byte(`{"results":[{"isic_id":"ISIC_0000001","files":{"full":{"url":"https://","size":-1}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p page
		if json.Unmarshal(text, &p) != nil {
			return
		}
		s := &source{at: map[string]string{}}
		files, err := s.images(p.Results)
		for _, file := range files {
			if err == nil && (plugins.CheckPath(file.Path) != nil || file.Size < 0) {
				t.Errorf("%+v", file)
			}
		}
	})
}
