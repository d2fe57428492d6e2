package autoindex_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/autoindex"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

func site(t *testing.T, h http.Handler, folders ...autoindex.Folder) *autoindex.Site {
	t.Helper()
	return &autoindex.Site{
		Client: web.New(publisher.Hosts{"h.test": h}.Client(t), web.Options{}), Pick: pick.All(),
		Retry: plugins.Retry{Attempts: 1}, Folders: folders,
	}
}

// TestList: names are taken as they are, however they are escaped, and sizes where they are exact.
func TestList(t *testing.T) {
	for _, table := range []bool{false, true} {
		tree := &publisher.Tree{Table: table}
		tree.Put("d/a b&c.txt", []byte("abc"))
		tree.Put("d/100%/ü;x/deep.bin", make([]byte, 5000))
		tree.Put("d/ab:c", nil)
		tree.Put("d/"+strings.Repeat("long", 40), []byte("x"))
		tree.Put("e/z", []byte("zz"))
		files, err := site(t, tree, autoindex.Folder{URL: "https://h.test/d/", Under: "to"}, autoindex.Folder{URL: "https://h.test/e/"}).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, fmt.Sprintf("%s %d %s %s", f.Path, f.Size, f.List, f.Ref))
		}
		slices.Sort(got)
		long := strings.Repeat("long", 40)
		want := []string{
			"to/100%/ü;x/deep.bin -1 https://h.test/d/100%25/%C3%BC;x/ https://h.test/d/100%25/%C3%BC;x/deep.bin",
			"to/a b&c.txt 3 https://h.test/d/ https://h.test/d/a%20b&c.txt",
			"to/ab:c 0 https://h.test/d/ https://h.test/d/ab:c",
			"to/" + long + " 1 https://h.test/d/ https://h.test/d/" + long,
			"z 2 https://h.test/e/ https://h.test/e/z",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("table %t: %s", table, diff)
		}
	}
}

// endless lists a folder in every folder.
func endless(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "<html><title>Index of %s</title><pre>Name<a href=\"a/\">a/</a> 2024-01-13 12:00 -\n</pre></html>", r.URL.Path)
}

func TestRefusedSites(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		code    plugins.Code
		want    string
	}{
		"a circle": {endless, "", "folders lie in each other"},
		"a folder without its list": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "<html><title>Welcome</title><body>no list</body></html>")
		}, plugins.FaultNotData, "get https://h.test/d/: folder page: there is no list in it"},
		"another folder": {func(w http.ResponseWriter, r *http.Request) {
			(&publisher.Tree{Files: map[string][]byte{"other/x": nil}}).ServeHTTP(w, rewritten(r, "/other/"))
		}, plugins.FaultNotData, `its title is "Index of /other"`},
		"absent": {http.NotFound, plugins.FaultAbsent, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := site(t, c.handler, autoindex.Folder{URL: "https://h.test/d/"}).List(t.Context())
			if err == nil || files != nil || plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, error %v with code %q, want one with %q and %q", files, err, plugins.FaultCode(err), c.want, c.code)
			}
		})
	}
}

func rewritten(r *http.Request, path string) *http.Request {
	out := r.Clone(r.Context())
	out.URL.Path = path
	return out
}
