package export_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/curated/curatedtest"
	"github.com/cairn-bench/cairn/activities/export"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// TestRestricted: data that may not be passed on lie where only their owner comes, and the notice says so.
func TestRestricted(t *testing.T) {
	s := curatedtest.Many()
	s.Dataset.Access, s.Dataset.Licence = "credentialed", "LicenseRef-PhysioNet-Credentialed-1.5.0"
	dir, doc := exportOf(t, s, export.Options{Format: exchange.Dir})
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	files := tree(t, dir)
	for _, want := range []string{"RESTRICTED", "credentialed", "LicenseRef-PhysioNet-Credentialed-1.5.0"} {
		if !strings.Contains(files[exchange.NoticeFile], want) {
			t.Errorf("no %q in\n%s", want, files[exchange.NoticeFile])
		}
	}
	if doc.Restricted == "" || !strings.Contains(files[exchange.ExportFile], `"restricted"`) {
		t.Errorf("export.json: %s", files[exchange.ExportFile])
	}
	open, _ := exportOf(t, curatedtest.Many(), export.Options{Format: exchange.Dir})
	if text := tree(t, open)[exchange.NoticeFile]; strings.Contains(text, "RESTRICTED") || !strings.Contains(text, "CC-BY-4.0") {
		t.Errorf("notice of open data:\n%s", text)
	}
}

// TestTargets: nothing is overwritten but an earlier export, and that only when asked to.
func TestTargets(t *testing.T) {
	d := opened(t, curatedtest.Many())
	base := t.TempDir()
	write := func(name, file, text string) string {
		dir := filepath.Join(base, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if file != "" {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	try := func(dir string, force bool) error {
		_, err := export.Write(t.Context(), d, "", export.Options{Format: exchange.Dir, Dir: dir, Force: force})
		return err
	}
	for _, c := range []struct {
		dir   string
		force bool
		want  string
	}{
		{write("empty", "", ""), false, ""},
		{filepath.Join(base, "new", "deep"), false, ""},
		{write("full", "thesis.tex", "years of work"), false, "is not empty; --force"},
		{write("full", "", ""), true, "no export"},
		{filepath.Join(base, "empty"), false, "is not empty; --force"},
		{filepath.Join(base, "empty"), true, ""},
		{filepath.Join(write("a", "file", "x"), "file"), true, "is no folder"},
	} {
		err := try(c.dir, c.force)
		var target *export.TargetError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &target) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, force %v: %v, want %q", c.dir, c.force, err, c.want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(base, "full", "thesis.tex")); err != nil || string(text) != "years of work" {
		t.Error("years of work are gone")
	}
	wantNothingLeft(t, base)
}

// wantNothingLeft: no folder that was to become an export.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if strings.Contains(p, ".partial") {
			t.Errorf("%s is left", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBroken: what is wrong with a dataset is an error, and nothing is left of its export.
func TestBroken(t *testing.T) {
	text := func(line string) func(map[string][]byte) {
		return func(f map[string][]byte) { f["samples.jsonl"] = []byte(line + "\n") }
	}
	const info = `{"schema":"cairn/dataset/v1","stage":"curated","id":"d","task":{"type":"multiclass","classes":["a"]}}`
	const media = `{"path":"train/x.npy","type":"image","shape":[2,2],"dtype":"uint8"}`
	for name, c := range map[string]struct {
		change func(map[string][]byte)
		want   string
	}{
		"a path upwards":      {text(`{"id":"../../x","split":"train","labels":["a"]}`), "not safe"},
		"media elsewhere":     {text(`{"id":"x","split":"train","labels":["a"],"media":[{"path":"train/y.npy"}]}`), "media at"},
		"an odd extension":    {text(`{"id":"x","split":"train","labels":["a"],"media":[{"path":"train/x.a/../../y"}]}`), "media at"},
		"an unknown side":     {text(`{"id":"x","split":"../out","labels":["a"]}`), "on side"},
		"not sorted":          {text(`{"id":"y","split":"train","labels":["a"]}` + "\n" + `{"id":"x","split":"train","labels":["a"]}`), "comes after"},
		"no JSON":             {text(`{"id":`), "line 1"},
		"no such array":       {text(`{"id":"z","split":"train","labels":["a"],"media":[{"path":"train/z.npy","type":"image","shape":[2,2],"dtype":"uint8"}]}`), "not exist"},
		"no label":            {text(`{"id":"x","split":"train","labels":[],"media":[` + media + `]}`), "needs one"},
		"an array of another": {func(f map[string][]byte) { f["train/x.npy"] = []byte("GIF89a") }, "not a .npy"},
		"another shape":       {func(f map[string][]byte) { f["train/x.npy"] = f["train/f.npy"] }, "no picture"},
	} {
		t.Run(name, func(t *testing.T) {
			s := curatedtest.New("d", "image", document.Multiclass, "a")
			x := s.Add("x", "train", "a")
			s.Bytes(x, "npy", "image", 1, 2, 2)
			f := s.Add("f", "train", "a")
			s.Floats(f, "npy", "table", 0, 3)
			files := map[string][]byte{"dataset.json": []byte(info), "samples.jsonl": []byte(`{"id":"x","split":"train","labels":["a"],"media":[` + media + `]}` + "\n")}
			for path, data := range s.Arrays {
				files[path] = data
			}
			c.change(files)
			store := cas.NewMemory()
			d, err := curated.Open(t.Context(), store, curatedtest.Files(t, store, files))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			base := t.TempDir()
			_, err = export.Write(t.Context(), d, "", export.Options{Format: exchange.Dir, Dir: filepath.Join(base, "out")})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(base); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// TestStopped: an export that is stopped leaves nothing.
func TestStopped(t *testing.T) {
	d := opened(t, curatedtest.Everything())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	base := t.TempDir()
	if _, err := export.Write(ctx, d, "", export.Options{Format: exchange.Climb, Dir: filepath.Join(base, "out")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(base); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestFormats refuses what there is not.
func TestFormats(t *testing.T) {
	d := opened(t, curatedtest.Many())
	for _, o := range []export.Options{{Format: "zip"}, {Format: exchange.Parquet, Labels: true}} {
		var wrong *export.FormatError
		o.Dir = filepath.Join(t.TempDir(), "out")
		if _, err := export.Write(t.Context(), d, "", o); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
