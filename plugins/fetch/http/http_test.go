package httpfetch

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// content is big enough to be cut in the middle of several reads.
var content = func() []byte {
	b := make([]byte, 600_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

// waits records pauses instead of making them.
type waits struct {
	mu    sync.Mutex
	after []time.Duration
}

func (w *waits) env() plugins.Env {
	return plugins.Env{
		Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"CAIRN_USERNAME_127_0_0_1": "alice", "CAIRN_PASSWORD_127_0_0_1": "s3cret-word"}[name]
			return v, ok
		},
		Retry: plugins.Retry{Attempts: 3, Wait: func(_ context.Context, _ int, after time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.after = append(w.after, after)
			return nil
		}},
	}
}

func fetch(t *testing.T, params string, w *waits) (plugintest.Files, error) {
	t.Helper()
	files, err := plugintest.Case{Plugin: Plugin(nil), Params: params, Env: w.env()}.Run(t.Context(), 2, t.TempDir())
	if err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error holds a secret: %v", err)
	}
	return files, err
}

// faults are scripted by the number of the request, from 1.
type faults func(n int, w http.ResponseWriter, r *http.Request) (handled bool)

// serve serves content at any path, after the faults.
func serve(t *testing.T, f faults) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		now := n
		mu.Unlock()
		if !f(now, w, r) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// cut sends the head of an answer with that ETag and part of its body, and hangs up.
func cut(w http.ResponseWriter, etag string, n int) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content[:n])
	panic(http.ErrAbortHandler)
}

func status(code int) faults {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(code)
		return true
	}
}

func loginPage(w http.ResponseWriter) bool {
	fmt.Fprint(w, "\n<!DOCTYPE html><html><head><title>Log in to\n PhysioNet</title></head></html>")
	return true
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults faults
		digest bool     // whether the manifest knows the checksum
		want   string   // in the error; "" if the file arrives
		waits  []string // what Retry-After asked for
	}{
		{"plain", func(int, http.ResponseWriter, *http.Request) bool { return false }, true, "", nil},
		{"cut then range with etag", func(n int, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", `"v1"`)
			if n == 1 {
				cut(w, `"v1"`, 300_000)
			}
			if r.Header.Get("Range") == "" || r.Header.Get("If-Range") != `"v1"` {
				t.Errorf("request %d has range %q, if-range %q", n, r.Header.Get("Range"), r.Header.Get("If-Range"))
			}
			return false
		}, true, "", []string{"0s"}},
		{"cut without validator or sum is read again", func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				cut(w, "", 300_000)
			}
			if r.Header.Get("Range") != "" {
				t.Error("asked for a range that nothing vouches for")
			}
			return false
		}, false, "", []string{"0s"}},
		{"cut then ranges ignored", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				cut(w, `"v1"`, 300_000)
			}
			w.Write(content)
			return true
		}, true, "", []string{"0s"}},
		{"always cut", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			cut(w, "", 300_000)
			return true
		}, true, "unexpected EOF", []string{"0s", "0s"}},
		{"busy then fine", func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 2 {
				return false
			}
			if n == 1 {
				w.Header().Set("Retry-After", "7")
			} else {
				w.Header().Set("Date", "Tue, 24 Nov 2026 10:00:00 GMT")
				w.Header().Set("Retry-After", "Tue, 24 Nov 2026 10:01:30 GMT")
			}
			return status([]int{0, 429, 503}[n])(n, w, r)
		}, true, "", []string{"7s", "1m30s"}},
		{"broken for good", status(502), true, "502 Bad Gateway", []string{"0s", "0s"}},
		{"absent", status(404), true, "404 Not Found", nil},
		{"forbidden", status(403), true, "may need credentials", nil},
		{"login page", func(_ int, w http.ResponseWriter, _ *http.Request) bool { return loginPage(w) }, true, `titled "Log in to PhysioNet"`, nil},
		{"redirect to login", func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/login" {
				return loginPage(w)
			}
			http.Redirect(w, r, "/login?next=s3cret", http.StatusFound)
			return true
		}, false, "not data but a web page", nil},
		{"redirect loop", func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		}, true, "redirect refused: more than 10", nil},
		{"other bytes", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Write(make([]byte, len(content)))
			return true
		}, true, "digest differs: publisher says sha256:", nil},
		{"shorter than promised", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Write(content[:10])
			return true
		}, true, "size differs: publisher says 600000, received 10", nil},
		{"longer than promised", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.(http.Flusher).Flush() // no length in the head
			w.Write(content)
			w.Write([]byte("more"))
			return true
		}, true, "size differs: publisher says 600000, received more", nil},
		{"encoded although not asked", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Encoding", "br")
			return false
		}, true, `encoded as "br"`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.faults)
			file := File{URL: s.URL + "/d/data.bin?token=s3cret"}
			if c.digest {
				n := int64(len(content))
				file.SHA256, file.Size = digest.FromBytes(content).Encoded(), &n
			}
			params, err := json.Marshal(Params{Files: []File{file}})
			if err != nil {
				t.Fatal(err)
			}
			var w waits
			files, err := fetch(t, string(params), &w)
			if c.want == "" && (err != nil || !bytes.Equal(files["data.bin"], content)) {
				t.Fatalf("error %v, %d bytes", err, len(files["data.bin"]))
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			var got []string
			for _, d := range w.after {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(c.waits, got); diff != "" {
				t.Errorf("waits: %s", diff)
			}
		})
	}
}

func TestNotDataIsTyped(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool { return loginPage(w) })
	for _, params := range []string{
		fmt.Sprintf(`{"files":[{"url":%q}]}`, s.URL+"/a.zip"),
		fmt.Sprintf(`{"sums":%q}`, s.URL+"/SHA256SUMS.txt"),
	} {
		if _, err := fetch(t, params, &waits{}); !errors.Is(err, plugins.ErrNotData) {
			t.Errorf("%s: error %v, want ErrNotData", params, err)
		}
	}
	if _, err := fetch(t, fmt.Sprintf(`{"files":[{"url":%q}]}`, s.URL+"/about.html"), &waits{}); err != nil {
		t.Errorf("a page that was asked for: %v", err)
	}
}

// published is a publisher's folder with its checksum list.
func published(t *testing.T, files map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[strings.TrimPrefix(r.URL.Path, "/db/1.0/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

func line(file, text string) string { return digest.FromString(text).Encoded() + "  " + file + "\n" }

func TestSums(t *testing.T) {
	s := published(t, map[string]string{
		"a.hea": "A", "sub/b (1)#.hea": "B", "notes.txt": "N",
		"SHA256SUMS.txt": line("a.hea", "A") + line("./sub/b (1)#.hea", "B") + line("notes.txt", "other"),
	})
	sums := s.URL + "/db/1.0/SHA256SUMS.txt"
	files, err := fetch(t, fmt.Sprintf(`{"sums":%q,"include":["**/*.hea"]}`, sums), &waits{})
	if err != nil {
		t.Fatal(err)
	}
	if string(files["a.hea"]) != "A" || string(files["sub/b (1)#.hea"]) != "B" || len(files) != 3 {
		t.Errorf("%q", files)
	}
	var doc document.Dataset
	if err := json.Unmarshal(files[document.DatasetFile], &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"plugin": "fetch/http@1", "sums": sums, "base": s.URL + "/db/1.0/"}
	if diff := cmp.Diff(want, doc.Source); diff != "" {
		t.Error(diff)
	}
	for params, want := range map[string]string{
		`{"sums":%q}`: "fetch notes.txt: digest differs",
		`{"sums":%q,"files":[{"url":"absent.txt"}]}`:                                          "not in the publisher's checksum list",
		`{"sums":%q,"files":[{"url":"a.hea","sha256":"` + strings.Repeat("0", 64) + `"}]}`:    "publisher's checksum list says sha256:",
		`{"sums":%q,"include":["*.none"]}`:                                                    "holds no file",
		`{"sums":%q,"files":[{"url":"a.hea"},{"url":"sub/b%%20(1)%%23.hea","path":"A.HEA"}]}`: `"A.HEA" and "a.hea"`,
	} {
		if _, err := fetch(t, fmt.Sprintf(params, sums), &waits{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

func TestUnpack(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("top/x.txt")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "X")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := published(t, map[string]string{"p.zip": b.String(), "q.zip": b.String()})
	files, err := fetch(t, fmt.Sprintf(`{"base":%q,"files":[{"url":"p.zip","unpack":true,"strip":1,"path":"p"},{"url":"q.zip","unpack":true}]}`, s.URL+"/db/1.0"), &waits{})
	if err != nil {
		t.Fatal(err)
	}
	if string(files["p/x.txt"]) != "X" || string(files["top/x.txt"]) != "X" || len(files) != 3 {
		t.Errorf("%q", files)
	}
}

func TestCredentialsGoToTheirOriginOnly(t *testing.T) {
	var mu sync.Mutex
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
		fmt.Fprint(w, "data")
	}))
	defer other.Close()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "alice" || password != "s3cret-word" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL+"/signed?key=1", http.StatusFound)
			return
		}
		fmt.Fprint(w, "data")
	}))
	defer home.Close()
	params := fmt.Sprintf(`{"base":%q,"auth":"basic","files":[{"url":"here"},{"url":"away"},{"url":%q}]}`, home.URL, other.URL+"/third")
	if _, err := fetch(t, params, &waits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"", ""}, elsewhere); diff != "" {
		t.Errorf("another host saw: %s", diff)
	}
	_, err := fetch(t, strings.ReplaceAll(params, "127.0.0.1", "localhost"), &waits{})
	if err == nil || !strings.Contains(err.Error(), "CAIRN_USERNAME_LOCALHOST is not set") {
		t.Errorf("error %v", err)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                              "files or sums is required",
		`{"files":[{"url":"x"}]}`:         `files[0]: "x" is not an absolute`,
		`{"files":[{"url":"ftp://h/x"}]}`: "not an absolute http or https url",
		`{"files":[{"url":"https://u:s3cret@h/x"}]}`:                                                                           "url holds credentials",
		`{"files":[{"url":"https://u:s3cret%zz@h/x"}]}`:                                                                        "url is malformed",
		`{"files":[{"url":"https://h/x","sha256":"abc"}]}`:                                                                     "want 64 lower-case",
		`{"files":[{"url":"https://h/x","path":"../x"}]}`:                                                                      "not a clean relative path",
		`{"files":[{"url":"https://h/x","strip":1}]}`:                                                                          "unpack is false",
		`{"files":[{"url":"https://h/x"}],"include":["a"]}`:                                                                    "files names the files",
		`{"files":[{"url":"https://h/x"}],"auth":"digest"}`:                                                                    `auth is "digest", want "basic"`,
		`{"files":[{"url":"https://h/x"}],"auth":{"username_env":"AWS_ACCESS_KEY_ID","password_env":"AWS_SECRET_ACCESS_KEY"}}`: "cannot unmarshal object",
		`{"base":"https://a_b.org","files":[{"url":"x"}],"auth":"basic"}`:                                                      `auth: "a_b.org" is not the name of a host`,
		`{"base":"https://[::1]/","files":[{"url":"x"}],"auth":"basic"}`:                                                       `auth: "::1" is not the name of a host`,
		`{"files":[{"url":"http://h/x"}],"auth":"basic"}`:                                                                      "not sent to h over plain http",
		`{"files":[{"url":"https://h/x"},{"url":"https://k/x"}],"auth":"basic"}`:                                               "files lie on h and k",
	} {
		_, err := Plugin(nil).Normalise(json.RawMessage(params))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

// TestPageLongerThanItsFile: of a page in place of a small file too little is kept to tell what it was, and that little
// is not taken for the file later.
func TestPageLongerThanItsFile(t *testing.T) {
	data := []byte("nine byte")
	file := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { publisher.Content(w, r, "", data) })
	c := plugintest.Case{
		Plugin:  Plugin(publisher.Hosts{"publisher.test": publisher.Faulty(file, publisher.First(1, publisher.Page))}.Client(t)),
		Params:  `{"files":[{"url":"https://publisher.test/a","size":9}]}`,
		Partial: t.TempDir(),
	}
	if _, err := c.Run(t.Context(), 1, t.TempDir()); plugins.FaultCode(err) != plugins.FaultNotData {
		t.Fatalf("a page: %v", err)
	}
	if files, err := c.Run(t.Context(), 1, t.TempDir()); err != nil || !bytes.Equal(files["a"], data) {
		t.Errorf("afterwards: %q, %v", files["a"], err)
	}
}
