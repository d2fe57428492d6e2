package plugins_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// shelf is a source in memory. open, if set, stands in for its Open.
type shelf struct {
	list []plugins.SourceFile
	data map[string]string
	open func(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error)
}

func (s *shelf) List(context.Context) ([]plugins.SourceFile, error) { return s.list, nil }

func (s *shelf) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	if s.open != nil {
		return s.open(ctx, f, offset)
	}
	return io.NopCloser(strings.NewReader(s.data[f.Path][offset:])), nil
}

func (s *shelf) Describe() map[string]string { return map[string]string{"url": "https://example.org"} }

func shelfOf(paths ...string) *shelf {
	s := &shelf{data: map[string]string{}}
	for _, p := range paths {
		s.list = append(s.list, plugins.SourceFile{Path: p, Size: -1})
		s.data[p] = "data of " + p
	}
	return s
}

func fetcher(src plugins.Source) plugins.Plugin {
	type params struct{}
	spec := catalog.Spec{Name: "shelf", Version: "1", Summary: "A test.", Determinism: catalog.Exact, Queue: catalog.QueueIO, Network: true}
	return plugins.Fetch(spec, params{}, func(params, plugins.Env, uint64) (plugins.Source, error) { return src, nil })
}

// now retries without waiting.
var now = plugins.Retry{Attempts: 3, Wait: func(context.Context, int, time.Duration) error { return nil }}

func fetchAll(t *testing.T, src plugins.Source) (plugintest.Files, error) {
	t.Helper()
	return plugintest.Case{Plugin: fetcher(src), Env: plugins.Env{Retry: now}}.Run(t.Context(), 3, t.TempDir())
}

func TestFetchWritesFilesAndDocument(t *testing.T) {
	src := shelfOf("b", "a/x y.txt", "a/z")
	files := plugintest.Case{Plugin: fetcher(src)}.Deterministic(t)
	want := document.Dataset{
		Schema: document.DatasetSchema, Stage: "raw", Files: 3, Bytes: 9 + 17 + 11,
		Source: map[string]string{"plugin": "fetch/shelf@1", "url": "https://example.org"},
	}
	var got document.Dataset
	if err := json.Unmarshal(files[document.DatasetFile], &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for path, text := range src.data {
		if string(files[path]) != text {
			t.Errorf("%s is %q", path, files[path])
		}
	}
}

func TestFetchRefusesPathsBeforeOpening(t *testing.T) {
	for _, c := range []struct {
		paths []string
		want  error
	}{
		{[]string{"../a"}, plugins.ErrUnsafePath},
		{[]string{"/a"}, plugins.ErrUnsafePath},
		{[]string{"a//b"}, plugins.ErrUnsafePath},
		{[]string{""}, plugins.ErrUnsafePath},
		{[]string{"."}, plugins.ErrUnsafePath},
		{[]string{`a\b`}, plugins.ErrUnsafePath},
		{[]string{"C:/a"}, plugins.ErrUnsafePath},
		{[]string{"a\x00"}, plugins.ErrUnsafePath},
		{[]string{"\xff"}, plugins.ErrUnsafePath},
		{[]string{"a", "a"}, plugins.ErrPathTwice},
		{[]string{"a", "A"}, plugins.ErrPathClash},
		{[]string{"d/a", "D/b"}, plugins.ErrPathClash},
		{[]string{"a", "a/b"}, plugins.ErrPathClash},
		{[]string{document.DatasetFile}, plugins.ErrPathTwice},
	} {
		src := shelfOf(c.paths...)
		src.open = func(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
			t.Errorf("%q: a file was opened", c.paths)
			return nil, errors.New("opened")
		}
		if _, err := fetchAll(t, src); !errors.Is(err, c.want) {
			t.Errorf("%q: error %v, want %v", c.paths, err, c.want)
		}
	}
}

func TestFetchVerifies(t *testing.T) {
	for _, c := range []struct {
		size   int64
		digest digest.Digest
		data   string
		want   string
	}{
		{4, digest.FromString("data"), "data", ""},
		{0, "", "", ""},
		{5, "", "data", "4 of 5 bytes: unexpected EOF"},
		{3, "", "data", "size differs: publisher says 3, received more"},
		{-1, digest.FromString("other"), "data", "digest differs: publisher says " + digest.FromString("other").String() + ", received " + digest.FromString("data").String()},
		{-1, digest.SHA512.FromString("data"), "data", ""},
		{-1, "sha256:abc", "data", `publisher's digest "sha256:abc"`},
		{-1, "", "<!doctype HTML><title>Sign  in &amp; accept</title>", `https://h/x: answer is not data but a web page titled "Sign in & accept"`},
		{-1, "", "\ufeff <?xml version='1.0'?><!-- x --><html>", "not data"},
		{-1, "", "<annotation><html></html></annotation>", ""},
		{3, "", "<html>", "not data"},
	} {
		src := &shelf{data: map[string]string{"x.bin": c.data}, list: []plugins.SourceFile{
			{Path: "x.bin", Size: c.size, Digest: c.digest, Ref: "https://user:s3cret@h/x?token=s3cret#s3cret"},
		}}
		files, err := fetchAll(t, src)
		switch {
		case c.want == "" && (err != nil || string(files["x.bin"]) != c.data):
			t.Errorf("%q: error %v", c.data, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%q: error %v, want one with %q", c.data, err, c.want)
		}
	}
}

// torn gives up after n bytes.
func torn(text string, n int) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text[:n]), errReader{}))
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, plugins.Transient(errors.New("torn"), 0) }

func TestFetchResumes(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 10_000)
	var offsets []int64
	src := shelfOf("x")
	src.open = func(_ context.Context, _ plugins.SourceFile, offset int64) (io.ReadCloser, error) {
		offsets = append(offsets, offset)
		switch len(offsets) {
		case 1:
			return torn(text, 50_000), nil
		case 2:
			return nil, plugins.ErrNoResume
		}
		return io.NopCloser(strings.NewReader(text[offset:])), nil
	}
	files, err := fetchAll(t, src)
	if err != nil || string(files["x"]) != text {
		t.Fatalf("error %v, %d bytes", err, len(files["x"]))
	}
	if diff := cmp.Diff([]int64{0, 50_000, 0}, offsets); diff != "" {
		t.Error(diff)
	}
}

func TestFetchGivesUpOnAStalledSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		src := shelfOf("x")
		src.open = func(ctx context.Context, _ plugins.SourceFile, _ int64) (io.ReadCloser, error) {
			tries++
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		_, err := plugintest.Case{Plugin: fetcher(src)}.Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), "no byte for 1m0s") || tries != 5 {
			t.Errorf("%d tries, error %v", tries, err)
		}
		if took := time.Since(start); took < 5*time.Minute || took >= 5*time.Minute+15*time.Second { // five stalls, and a part of 1 + 2 + 4 + 8 seconds between them
			t.Errorf("took %v", took)
		}
	})
}

func TestFetchExpands(t *testing.T) {
	member := "m"
	expand := func(_ context.Context, file io.ReaderAt, size int64, out plugins.Output) error {
		data, err := io.ReadAll(io.NewSectionReader(file, 0, size))
		if err != nil {
			return err
		}
		return plugins.WriteFile(out, member, bytes.ToUpper(data))
	}
	src := shelfOf("pack", "other")
	src.list[0].Expand = expand
	files, err := fetchAll(t, src)
	if err != nil || len(files) != 3 || string(files["m"]) != "DATA OF PACK" {
		t.Fatalf("%v: %q", err, files)
	}
	member = "OTHER"
	if _, err := fetchAll(t, src); !errors.Is(err, plugins.ErrPathClash) {
		t.Errorf("error %v, want a clash between a member and a file", err)
	}
}

func TestFetchReportsProgress(t *testing.T) {
	src := shelfOf("a", "b")
	for i, p := range []string{"a", "b"} {
		src.data[p] = strings.Repeat(p, 3<<20)
		src.list[i].Size = 3 << 20
	}
	var mu sync.Mutex
	var got []plugins.Progress
	call := plugins.Call{Params: json.RawMessage("{}"), Output: discard{}, Workers: 2, Progress: func(p plugins.Progress) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, p)
	}}
	if err := fetcher(src).Run(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	for i, p := range got {
		if p.Total != 6<<20 || p.Unit != "bytes" || i > 0 && p.Done < got[i-1].Done {
			t.Errorf("report %d: %+v", i, p)
		}
	}
	if len(got) < 5 || got[len(got)-1].Done != 6<<20 {
		t.Errorf("%d reports", len(got))
	}
}

type discard struct{}

func (discard) Create(string) (io.WriteCloser, error) { return nopCloser{io.Discard}, nil }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func TestRetry(t *testing.T) {
	lasting, passing := errors.New("lasting"), plugins.Transient(errors.New("passing"), 9*time.Second)
	for _, c := range []struct {
		name     string
		errs     []error
		progress bool
		want     string
		tries    int
	}{
		{"first time", []error{nil}, false, "", 1},
		{"third time", []error{passing, io.ErrUnexpectedEOF, nil}, false, "", 3},
		{"too often", []error{passing, passing, passing, nil}, false, "passing", 3},
		{"often, but it comes further", []error{passing, passing, passing, passing, nil}, true, "", 5},
		{"lasting", []error{lasting, nil}, false, "lasting", 1},
	} {
		tries := 0
		err := now.Do(t.Context(), func(context.Context) (bool, error) {
			tries++
			return c.progress, c.errs[tries-1]
		})
		if got := fmt.Sprint(err); tries != c.tries || (c.want == "") != (err == nil) || err != nil && got != c.want {
			t.Errorf("%s: %d tries, error %v", c.name, tries, err)
		}
	}
}

func FuzzPathSet(f *testing.F) {
	f.Add("a/b", "A/c")
	f.Add("../x", "x")
	f.Fuzz(func(t *testing.T, a, b string) {
		var s plugins.PathSet
		lowA, lowB := strings.ToLower(a), strings.ToLower(b)
		if s.Add(a) == nil && s.Add(b) == nil && (lowA == lowB || strings.HasPrefix(b, a+"/")) {
			t.Errorf("%q and %q stand side by side", a, b)
		}
	})
}
