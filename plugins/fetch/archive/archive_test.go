package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
)

// memory is an output that keeps what was closed.
type memory struct {
	mu    sync.Mutex
	files map[string]string
}

type memoryFile struct {
	bytes.Buffer
	path string
	to   *memory
}

func (m *memory) Create(path string) (io.WriteCloser, error) {
	return &memoryFile{path: path, to: m}, nil
}

func (f *memoryFile) Close() error {
	f.to.mu.Lock()
	defer f.to.mu.Unlock()
	f.to.files[f.path] = f.String()
	return nil
}

func unpack(data []byte, opts Options) (map[string]string, error) {
	m := &memory{files: map[string]string{}}
	err := Unpack(context.Background(), bytes.NewReader(data), int64(len(data)), opts, m)
	return m.files, err
}

func reason(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

type entry struct {
	name, body string
	kind       byte // of tar; 0 is a file
	link       string
}

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.body)), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarHeader is the head of a file that announces so many bytes.
func tarHeader(t testing.TB, name string, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.kind == tar.TypeSymlink {
			h.SetMode(os.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// edit changes a field in the first central directory header of a zip.
func edit(data []byte, offset int, value uint16) []byte {
	data = bytes.Clone(data)
	at := bytes.Index(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint16(data[at+offset:], value)
	return data
}

func TestFormats(t *testing.T) {
	plain := []entry{{name: "top/a.txt", body: "A"}, {name: "top/sub/b (1).txt", body: strings.Repeat("B", 5000)}}
	want := map[string]string{"in/a.txt": "A", "in/sub/b (1).txt": strings.Repeat("B", 5000)}
	folders := append([]entry{{name: "top/", kind: tar.TypeDir}}, plain...)
	dotted := []entry{{name: "./", kind: tar.TypeDir}, {name: "./top/a.txt", body: "A"}, {name: "./top/sub/b (1).txt", body: strings.Repeat("B", 5000)}}
	for name, data := range map[string][]byte{
		"tar": tarOf(t, plain...), "tar.gz": gzipOf(t, tarOf(t, folders...)), "zip": zipOf(t, plain...), "tar with dots": tarOf(t, dotted...),
	} {
		got, err := unpack(data, Options{Strip: 1, Prefix: "in"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	got, err := unpack(zipOf(t, plain...), Options{Keep: func(p string) bool { return p == "top/a.txt" }})
	if diff := cmp.Diff(map[string]string{"top/a.txt": "A"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestAttacks(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	good := tarOf(t, entry{name: "a", body: "A"})
	for _, c := range []struct {
		name string
		data []byte
		opts Options
		want Reason
	}{
		{"tar climbs out", tarOf(t, entry{name: "../evil", body: "x"}), Options{}, BadName},
		{"tar climbs out in the middle", tarOf(t, entry{name: "a/../../evil", body: "x"}), Options{}, BadName},
		{"tar folder climbs out", tarOf(t, entry{name: "../evil/", kind: tar.TypeDir}), Options{}, BadName},
		{"tar absolute", tarOf(t, entry{name: "/etc/passwd", body: "x"}), Options{}, BadName},
		{"tar backslash", tarOf(t, entry{name: `..\evil`, body: "x"}), Options{}, BadName},
		{"tar newline", tarOf(t, entry{name: "a\nb", body: "x"}), Options{}, BadName},
		{"tar symbolic link", tarOf(t, entry{name: "a", kind: tar.TypeSymlink, link: "/etc"}), Options{}, Link},
		{"tar hard link", tarOf(t, entry{name: "a", kind: tar.TypeLink, link: "/etc/passwd"}), Options{}, Link},
		{"tar device", tarOf(t, entry{name: "a", kind: tar.TypeChar}), Options{}, Special},
		{"tar pipe", tarOf(t, entry{name: "a", kind: tar.TypeFifo}), Options{}, Special},
		{"tar name twice", tarOf(t, entry{name: "a"}, entry{name: "a"}), Options{}, Duplicate},
		{"tar name twice in another case", tarOf(t, entry{name: "d/a"}, entry{name: "D/b"}), Options{}, Duplicate},
		{"tar file under a file", tarOf(t, entry{name: "a", body: "x"}, entry{name: "a/b"}), Options{}, Duplicate},
		{"tar cut in a file", good[:512], Options{}, Truncated},
		{"tar cut between files", good[:1024], Options{}, Truncated},
		{"tar with a second archive behind", append(bytes.Clone(good), good...), Options{}, BadFormat},
		{"tar.gz cut", gzipOf(t, good)[:30], Options{}, Truncated},
		{"tar.gz with a wrong sum", flip(gzipOf(t, good), -5), Options{}, WrongSize},
		{"tar.gz bomb", gzipOf(t, tarHeader(t, "a", 1<<30)), Options{}, TooLarge},
		{"zip bomb", edit(zipOf(t, entry{name: "a", body: zeros}), 26, 0x4000), Options{}, TooLarge},
		{"zip too large", zipOf(t, entry{name: "a", body: "12345"}), Options{Limits: Limits{Bytes: 4}}, TooLarge},
		{"zip too large in sum", zipOf(t, entry{name: "a", body: "123"}, entry{name: "b", body: "12"}), Options{Limits: Limits{Bytes: 4}}, TooLarge},
		{"too large though not kept", tarOf(t, entry{name: "a", body: "12345"}), Options{Keep: func(string) bool { return false }, Limits: Limits{Bytes: 4}}, TooLarge},
		{"too many entries", tarOf(t, entry{name: "a"}, entry{name: "b"}), Options{Limits: Limits{Entries: 1}}, TooMany},
		{"too many folders", tarOf(t, entry{name: "a/", kind: tar.TypeDir}, entry{name: "b/", kind: tar.TypeDir}), Options{Limits: Limits{Entries: 1}}, TooMany},
		{"zip climbs out", zipOf(t, entry{name: "../evil", body: "x"}), Options{}, BadName},
		{"zip absolute", zipOf(t, entry{name: "/evil", body: "x"}), Options{}, BadName},
		{"zip not utf-8", zipOf(t, entry{name: "\xfc.txt", body: "x"}), Options{}, BadName},
		{"zip link", zipOf(t, entry{name: "a", body: "/etc", kind: tar.TypeSymlink}), Options{}, Link},
		{"zip name twice", zipOf(t, entry{name: "a"}, entry{name: "A"}), Options{}, Duplicate},
		{"zip encrypted", edit(zipOf(t, entry{name: "a", body: "x"}), 8, 1), Options{}, Encrypted},
		{"zip method", edit(zipOf(t, entry{name: "a", body: "x"}), 10, 14), Options{}, Unsupported},
		{"zip announces less", edit(zipOf(t, entry{name: "a", body: "xyz"}), 24, 2), Options{}, WrongSize},
		{"zip announces more", edit(zipOf(t, entry{name: "a", body: "xyz"}), 24, 9), Options{}, Truncated},
		{"zip wrong sum", edit(zipOf(t, entry{name: "a", body: "xyz"}), 16, 0x4242), Options{}, WrongSize},
		{"zip entries overlap", overlapping(t), Options{}, Overlap},
		{"strip takes all", zipOf(t, entry{name: "a"}), Options{Strip: 1}, Strip},
		{"empty", nil, Options{}, BadFormat},
		{"a page", []byte("<html>" + zeros), Options{}, BadFormat},
		{"a few words", []byte(`{"error": "slow down"}`), Options{}, BadFormat},
		{"gzip of no tar", gzipOf(t, []byte(strings.Repeat("text", 500))), Options{}, BadFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := unpack(c.data, c.opts)
			if got := reason(err); got != c.want {
				t.Errorf("reason %q (%v), want %q; unpacked %d files", got, err, c.want, len(files))
			}
			if plugins.IsTransient(err) {
				t.Errorf("%v: asks for another try, which gets the same archive", err)
			}
		})
	}
}

func flip(data []byte, at int) []byte {
	data[len(data)+at] ^= 1
	return data
}

// overlapping makes the second directory entry point to the first one's bytes.
func overlapping(t *testing.T) []byte {
	data := zipOf(t, entry{name: "a", body: "same"}, entry{name: "b", body: "same"})
	at := bytes.LastIndex(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[at+42:], 0)
	return data
}

func TestContextEndsUnpacking(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := tarOf(t, entry{name: "a", body: "A"})
	err := Unpack(ctx, bytes.NewReader(data), int64(len(data)), Options{}, &memory{files: map[string]string{}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestKnown(t *testing.T) {
	for name, want := range map[string]bool{"a.ZIP": true, "a.tar.gz": true, "a.tgz": true, "a.tar": true, "a.gz": false, "zip": false} {
		if Known(name) != want {
			t.Errorf("%s: %v, want %v", name, !want, want)
		}
	}
}

// sharedData finds the folder of real test data, which is no part of the project.
func sharedData(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("CAIRN_SHARED_DATA"); dir != "" {
		return dir
	}
	for dir := "."; len(dir) < 64; dir = filepath.Join(dir, "..") {
		if found := filepath.Join(dir, "..", "shared", "data"); isDir(found) {
			return found
		}
	}
	t.Skip("no ../shared/data above this folder and CAIRN_SHARED_DATA is not set")
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// TestMalformedZips runs the corpus of yauzl: what it calls a failure is refused for a reason of ours, what it
// calls a success is read, but for those named here.
func TestMalformedZips(t *testing.T) {
	root := filepath.Join(sharedData(t), "malformed", "zip_yauzl")
	differ := map[string]Reason{
		// What the corpus calls a success and we refuse.
		"success/traditional-encryption.zip":                            Encrypted,
		"success/traditional-encryption_deprecated.zip":                 Encrypted,
		"success/traditional-encryption-and-compression.zip":            Encrypted,
		"success/traditional-encryption-and-compression_deprecated.zip": Encrypted,
		"success/bogus-compression-method.zip":                          Unsupported,
		"success/sloppy-filenames.zip":                                  BadName, // a backslash for a slash
		"success/unicode-path-extra-field.zip":                          BadName, // 16 control characters; the name proper is in an extra field
		// What it calls a failure and Go reads: a slip in the directory, while every entry has its size and sum.
		"failure/Invalid comment length Expected 1 Found 0 Are there extra bytes at the end of the file Or is the end of central dir signature PK in the com.zip": "",
		"failure/extra field length exceeds extra field buffer size.zip":                                                                                          "",
		"failure/multi-disk zip files are not supported found disk number 1.zip":                                                                                  "",
	}
	paths, err := filepath.Glob(filepath.Join(root, "*", "*.zip"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d zip files in %s: %v", len(paths), root, err)
	}
	for _, p := range paths {
		name, _ := filepath.Rel(root, p)
		name = filepath.ToSlash(name)
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			files, err := unpack(data, Options{})
			got := reason(err)
			t.Logf("%q: %d files, %v", got, len(files), err)
			w, ok := differ[name]
			if ok && got != w {
				t.Errorf("reason %q (%v), want %q", got, err, w)
			} else if !ok && (got == "") != strings.HasPrefix(name, "success/") {
				t.Errorf("reason %q (%v)", got, err)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(zipOf(f, entry{name: "a/b", body: "text"}, entry{name: "c", body: "more"}))
	f.Add(tarOf(f, entry{name: "a/b", body: "text"}, entry{name: "l", kind: tar.TypeSymlink, link: "a"}))
	f.Add(gzipOf(f, tarOf(f, entry{name: "../a", body: "text"})))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := unpack(data, Options{Limits: Limits{Entries: 100, Bytes: 1 << 20}})
		var total int
		for name, body := range files {
			total += len(body)
			if plugins.CheckPath(name) != nil {
				t.Errorf("unpacked %q", name)
			}
		}
		if total > 1<<20 || len(files) > 100 {
			t.Errorf("%d files, %d bytes (%v)", len(files), total, err)
		}
	})
}
