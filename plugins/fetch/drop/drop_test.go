package drop

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/folder"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if err == nil {
			err = os.WriteFile(p, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sum(text string) string { return digest.FromString(text).Encoded() }

// form is a manifest's part for a dataset that comes by mail.
func form(files string) string {
	return `{"folder":"drop/cholec80","page":"https://camma.test/form?of=cholec80","steps":["Fill in the form of the authors."],` + files + `}`
}

var (
	named  = form(fmt.Sprintf(`"files":[{"path":"videos/1.mp4","size":5,"sha256":%q},{"path":"videos/2.mp4","size":6},{"path":"phases.txt"}]`, sum("VIDEO")))
	lines  = sum("VIDEO") + "  videos/1.mp4\n" + sum("PHASES") + "  phases.txt\n"
	listed = form(fmt.Sprintf(`"sums":{"path":"drop/SHA256SUMS","sha256":%q}`, sum(lines)))
	whole  = map[string]string{"drop/cholec80/videos/1.mp4": "VIDEO", "drop/cholec80/videos/2.mp4": "VIDEO2", "drop/cholec80/phases.txt": "PHASES", "drop/cholec80/other.txt": "nobody asked", "drop/SHA256SUMS": lines}
)

func run(t *testing.T, root, params string) (plugintest.Files, error) {
	t.Helper()
	files, err := plugintest.Case{Plugin: Plugin(), Params: params, Env: plugins.Env{Dir: root}}.Run(t.Context(), 2, t.TempDir())
	if err != nil && strings.Contains(err.Error(), root) {
		t.Errorf("names a path of this machine: %v", err)
	}
	return files, err
}

func TestFetch(t *testing.T) {
	for params, want := range map[string]map[string]string{
		named:  {"videos/1.mp4": "VIDEO", "videos/2.mp4": "VIDEO2", "phases.txt": "PHASES"},
		listed: {"videos/1.mp4": "VIDEO", "phases.txt": "PHASES"},
	} {
		root := t.TempDir()
		write(t, root, whole)
		files := plugintest.Case{Plugin: Plugin(), Params: params, Env: plugins.Env{Dir: root}}.Deterministic(t)
		got := map[string]string{}
		for p, data := range files.Fetched() {
			got[p] = string(data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if doc := string(files[document.DatasetFile]); strings.Contains(doc, root) || !strings.Contains(doc, `"https://camma.test/form"`) {
			t.Errorf("%s", doc)
		}
	}
}

// TestMissing: until all is there, the gate says what is not, and it opens by itself. No file is read for that.
func TestMissing(t *testing.T) {
	const how = "Fill in the form of the authors. Put the files into the folder drop/cholec80 (seen from the manifest's)."
	const replace = "Replace them by what the publisher gives, or correct the manifest if the publisher has changed them."
	for _, c := range []struct {
		name, params string
		change       map[string]string // "" takes away
		want         [][2]string
	}{
		{"nothing is there", named, map[string]string{"drop": ""}, [][2]string{{"the files in the folder drop/cholec80: videos/1.mp4; videos/2.mp4; phases.txt", how}}},
		{"one is missing", named, map[string]string{"drop/cholec80/phases.txt": ""}, [][2]string{{"the file in the folder drop/cholec80: phases.txt", how}}},
		{"one is missing and one is not whole", named, map[string]string{"drop/cholec80/phases.txt": "", "drop/cholec80/videos/2.mp4": "VID"}, [][2]string{
			{"the file in the folder drop/cholec80: phases.txt", how},
			{"the right file in the folder drop/cholec80: videos/2.mp4 has 3 bytes, want 6", replace}}},
		{"a folder in the place of a file", named, map[string]string{"drop/cholec80/phases.txt": "", "drop/cholec80/phases.txt/x": "X"}, [][2]string{
			{"the right file in the folder drop/cholec80: phases.txt is no regular file", replace}}},
		{"all is there", named, nil, nil},
		{"all that is listed is there", listed, nil, nil},
		{"one of the list is missing", listed, map[string]string{"drop/cholec80/videos": ""}, [][2]string{{"the file in the folder drop/cholec80: videos/1.mp4", how}}},
		{"no list", listed, map[string]string{"drop/SHA256SUMS": ""}, [][2]string{{"the list of checksums drop/SHA256SUMS is not there", "Put it where the manifest says. " + how}}},
		{"another list", listed, map[string]string{"drop/SHA256SUMS": lines + "\n"}, [][2]string{
			{"the list of checksums drop/SHA256SUMS has the sha256 " + sum(lines+"\n") + ", want " + sum(lines), "Put it where the manifest says. " + how}}},
		{"many", form(`"files":[{"path":"1"},{"path":"2"},{"path":"3"},{"path":"4"},{"path":"5"},{"path":"6"},{"path":"7"}]`), nil, [][2]string{
			{"the files in the folder drop/cholec80: 1; 2; 3; 4; 5 and 2 more", how}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, whole)
			for name, text := range c.change {
				if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
					t.Fatal(err)
				}
				if text != "" {
					write(t, root, map[string]string{name: text})
				}
			}
			missing, err := Plugin().Missing(t.Context(), json.RawMessage(c.params), plugins.Env{Dir: root})
			if err != nil {
				t.Fatal(err)
			}
			var got [][2]string
			for _, m := range missing {
				got = append(got, [2]string{m.What, m.Do})
				if m.Page != "https://camma.test/form?of=cholec80" || strings.Contains(m.What+m.Do, root) {
					t.Errorf("%+v", m)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if _, err := run(t, root, c.params); (err != nil) != (len(c.want) > 0) {
				t.Errorf("missing %v, and the fetch ends with %v", got, err)
			}
		})
	}
}

// TestNoDigestBefore: the plan is made before the files are there, and the action stays the same when they come.
func TestNoDigestBefore(t *testing.T) {
	root := t.TempDir()
	if d, err := Plugin().SourceDigest(t.Context(), json.RawMessage(named), plugins.Env{Dir: root}); d != "" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
}

// TestWrong: what only reading shows fails the step, which names it.
func TestWrong(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"phases.txt": "PHASES"})
	for _, c := range []struct {
		name, params string
		set          func(t *testing.T, root string)
		code         plugins.Code
		want         string
	}{
		{"other bytes", named, func(t *testing.T, root string) {
			write(t, root, map[string]string{"drop/cholec80/videos/1.mp4": "OTHER"})
		}, plugins.FaultDiffers, "fetch videos/1.mp4: digest differs"},
		{"other bytes than listed", listed, func(t *testing.T, root string) {
			write(t, root, map[string]string{"drop/cholec80/phases.txt": "OTHER"})
		}, plugins.FaultDiffers, "fetch phases.txt: digest differs"},
		{"a login page", named, func(t *testing.T, root string) {
			write(t, root, map[string]string{"drop/cholec80/phases.txt": "<!DOCTYPE html><title>Log in</title>"})
		}, plugins.FaultNotData, `a web page titled "Log in"`},
		{"a link that leaves the folder", named, func(t *testing.T, root string) {
			at := filepath.Join(root, "drop/cholec80/phases.txt")
			if err := errors.Join(os.Remove(at), os.Symlink(filepath.Join(outside, "phases.txt"), at)); err != nil {
				t.Skip("no symbolic links here:", err)
			}
		}, plugins.FaultAbsent, "phases.txt: path escapes from parent"},
		{"a file in the place of the folder", named, func(t *testing.T, root string) {
			if err := os.RemoveAll(filepath.Join(root, "drop/cholec80")); err != nil {
				t.Fatal(err)
			}
			write(t, root, map[string]string{"drop/cholec80": "x"})
		}, "", "drop/cholec80 is a file, want a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, whole)
			c.set(t, root)
			_, err := run(t, root, c.params)
			if err == nil || !strings.Contains(err.Error(), c.want) || plugins.FaultCode(err) != c.code {
				t.Errorf("error %v with code %q, want one with %q and %q", err, plugins.FaultCode(err), c.want, c.code)
			}
		})
	}
}

// TestStillArriving: a file that is written to while it is read is not taken.
func TestStillArriving(t *testing.T) {
	root := t.TempDir()
	write(t, root, whole)
	src := &source{}
	if err := json.Unmarshal([]byte(named), &src.params); err != nil {
		t.Fatal(err)
	}
	open := func() io.ReadCloser {
		t.Helper()
		src.folder = folder.New(root, src.params.Folder)
		body, err := src.Open(t.Context(), plugins.SourceFile{Path: "phases.txt"}, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = body.Close(); _ = src.Close() })
		return body
	}
	if text, err := io.ReadAll(open()); string(text) != "ASES" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	body := open()
	write(t, root, map[string]string{"drop/cholec80/phases.txt": "PHASES, and more of them"})
	if text, err := io.ReadAll(body); !errors.Is(err, plugins.ErrSourceChanged) {
		t.Errorf("%q, %v", text, err)
	}
}

func TestUnpack(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("in/x.txt")
	if err == nil {
		_, err = io.WriteString(w, "X")
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	write(t, root, map[string]string{"d/sub/a.zip": b.String()})
	files, err := run(t, root, fmt.Sprintf(`{"folder":"d","files":[{"path":"sub/a.zip","sha256":%q}],"unpack":["**/*.zip"]}`, sum(b.String())))
	if err != nil || string(files["sub/in/x.txt"]) != "X" || len(files) != 2 {
		t.Errorf("%v, %q", err, files)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:             "folder is required",
		`{"folder":"d"}`: "files or sums is required",
		`{"folder":"d","files":[{"path":"a"}],"sums":{"path":"s","sha256":""}}`:      "files and sums both",
		`{"folder":"d","files":[{}]}`:                                                "files[0]: path is required",
		`{"folder":"d","files":[{"path":"../a"}]}`:                                   "files[0]: path",
		`{"folder":"d","files":[{"path":"a"},{"path":"A"}]}`:                         `"a" and "A"`,
		`{"folder":"d","files":[{"path":"a","size":-1}]}`:                            "size is -1",
		`{"folder":"d","files":[{"path":"a","sha256":"ABC"}]}`:                       "want 64 lower-case",
		`{"folder":"d","sums":{"path":"s"}}`:                                         "sums: sha256",
		`{"folder":"d","sums":{"sha256":"` + sum("") + `"}}`:                         "sums: path is required",
		`{"folder":"d","files":[{"path":"a"}],"page":"https://u:s3cret@camma.test"}`: "page: want an absolute",
		`{"folder":"d","files":[{"path":"a"}],"unpack":["["]}`:                       `pattern "["`,
	} {
		_, err := Plugin().Normalise(json.RawMessage(params))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
}

// TestGolden: version 1 of the plugin makes these files of what is in the folder.
func TestGolden(t *testing.T) {
	root := t.TempDir()
	write(t, root, whole)
	files, err := run(t, root, named)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := files.Root(), digest.Digest("sha256:c9a02aa19e55e6a0ee478450eece705dc173b35f3401ee135a99d73f46495456"); got != want {
		t.Errorf("the files are %s, want %s; raise the plugin's version if that is on purpose", got, want)
	}
}
