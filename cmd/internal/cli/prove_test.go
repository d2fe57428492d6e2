package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// TestProve: a file of a rebuild is proven, and the proof is checked on another machine that has nothing else.
func TestProve(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	for _, c := range []struct{ ref, path, step string }{
		{"small/fetch/heart", "heart.csv", "fetch/heart"},
		{"small/curate/heart", "samples.jsonl", "curate/heart"},
		{"small/pretrain/single", "model.safetensors", "pretrain/single"},
	} {
		proof := m.want(0, []string{"prove", c.ref, c.path}).stdout
		file := m.want(0, []string{"cat", c.ref, c.path}).stdout
		other := newMachine(t, "")
		other.write("proof", proof)
		other.write("file", file)
		other.write("altered", "x"+file[1:])
		other.write("lock", m.read("benchmark.lock"))
		other.want(0, words("verify proof"), "level membership", "nobody has looked at the file itself", c.path)
		other.want(0, words("verify proof --file file"), "verified, level file", c.path)
		other.want(0, words("verify proof --file file --lock lock"), "verified, level file", "which step "+c.step+" gave")
		other.want(3, words("verify proof --file altered"), "files-differ", "NOT verified, level none")
		v := object[verify.Verdict](other, 3, words("verify proof --file altered")...)
		if v.OK || v.Scope != verify.ProofScope || len(v.Problems) != 1 {
			t.Errorf("%+v", v)
		}
		if _, err := os.Stat(filepath.Join(other.home, "cairn")); err == nil {
			t.Error("verifying a proof made a home")
		}
	}
	m.want(1, words("prove small/fetch/heart nothing"), "no such file")
	m.want(2, words("prove nothing heart.csv"), "nothing is called")
}

// TestFalseProofs: what is no proof is exit code 2, and one that proves something else is 3.
func TestFalseProofs(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	text := m.want(0, words("prove small/curate/heart samples.jsonl")).stdout
	m.write("file", m.want(0, words("cat small/curate/heart samples.jsonl")).stdout)
	edit := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	for name, c := range map[string]struct {
		text string
		code int
	}{
		"path":        {edit(`"path":"samples.jsonl"`, `"path":"train.jsonl"`), 3},
		"manifest":    {edit(`"manifest":"{`, `"manifest":"{ `), 3},
		"no hash":     {edit(`"hashes":["sha256:`, `"extra":["sha256:`), 2},
		"a version":   {edit("cairn/proof/v1", "cairn/proof/v7"), 2},
		"a bad mode":  {edit(`"100644"`, `"100755"`), 2},
		"not a proof": {edit("cairn/proof/v1", "cairn/lock/v1"), 3}, // an edited lock
	} {
		m.write("false", c.text)
		if out := m.cairn("verify", "false"); out.code != c.code {
			t.Errorf("%s: code %d, want %d\n%s%s", name, out.code, c.code, out.stdout, out.stderr)
		}
	}
	m.write("proof", text)
	m.write("edited.lock", strings.Replace(m.read("benchmark.lock"), "seed", "sead", 1)+"\n")
	m.want(2, words("verify proof --file nothing"), "nothing")
	m.want(2, words("verify proof --lock file"), "file")
	m.want(2, words("verify benchmark.lock --file file"), "go with a proof")
	out := m.cairn("verify", "proof", "--file", "file", "--lock", "edited.lock")
	if out.code != 2 && out.code != 3 {
		t.Errorf("an edited lock: code %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}

// TestVerifyMore: an artifact alone, level files, a sample, and what is unchanged.
func TestVerifyMore(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("verify benchmark.lock --level files"), "verified, level files", "files one by one")
	m.want(0, words("verify small/curate/heart"), "level manifest of this artifact alone")
	m.want(0, words("verify small/curate/heart --level bytes"), "level bytes of this artifact alone", "0 records")
	m.want(0, words("verify small/pretrain/single --level files"), "level files of this artifact alone")
	m.want(2, words("verify small/curate/heart --level rerun"), "one artifact")
	m.write("small/notes.txt", "a folder may be called as the benchmark is")
	m.want(0, words("verify small"), "small: verified, level records")
	m.want(0, words("terms small"), "heart")
	m.want(2, words("verify data"), "data is a folder, not a lock")
	m.want(0, words("verify benchmark.lock --since"), "verified, level bytes") // nothing has been left alone for long enough

	v := object[verify.Verdict](m, 0, words("verify benchmark.lock --sample 5 --seed x")...)
	if s := v.Sample; s == nil || s.Files != 5 || s.Seed != "x" || s.AtMostBad == nil || v.Level != verify.Records {
		t.Errorf("%+v of %+v", s, v)
	}
	m.want(0, words("verify small --sample 100%"), "with 95 % confidence at most 0 of all are bad")
	m.want(0, words("verify small/curate/heart --sample 1%"), "1 of ", "(seed ")
	for _, wrong := range []string{"--sample 0", "--sample x", "--sample 101%", "--sample -1%", "--sample 5 --level bytes", "--sample 5 --since", "--seed x", "--since --level files", "--since --level records", "--since --rerun all"} {
		m.want(2, append(words("verify benchmark.lock"), words(wrong)...))
	}
}

// TestSince reads what has been touched and nothing else, and says so.
func TestSince(t *testing.T) {
	w, blob := settledStore(t)
	verdict := func(level string) verify.Verdict {
		e := w.evidence()
		e.clock = e.clock.Add(time.Hour) // as if the blobs had been there for an hour
		v, err := verify.Artifact(t.Context(), "x", blob, e, level)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.save(); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := verdict(verify.Unchanged); !v.OK || v.Level != verify.Bytes {
		t.Errorf("the first time: %+v", v)
	}
	v := verdict(verify.Unchanged)
	if s := v.Checked.Skipped; !v.OK || v.Level != verify.Unchanged || s == nil || s.Blobs != 3 || s.Since.IsZero() {
		t.Errorf("the second time: %+v, %+v", v, s)
	}
	m, err := w.layout.Open(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	for name, touch := range map[string]func(path string) error{
		"written again, same bytes": func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, text, 0o600)
		},
		"another inode": func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".new", text, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"its time set back": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime()) // moves the time of change
		},
	} {
		verdict(verify.Unchanged)
		path := w.layout.Path(layerOf(t, w, blob))
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		verdict(verify.Unchanged)
		if err := touch(path); err != nil {
			t.Fatal(err)
		}
		if v := verdict(verify.Unchanged); !v.OK || v.Checked.Skipped == nil || v.Checked.Skipped.Blobs != 2 {
			t.Errorf("%s: %+v, %+v; want one blob of three read", name, v, v.Checked.Skipped)
		}
	}
	path := w.layout.Path(layerOf(t, w, blob))
	flipByte(t, path, 600)
	if v := verdict(verify.Unchanged); v.OK || v.Level != "none" {
		t.Errorf("a flipped byte: %+v", v)
	}
	flipByte(t, path, 600)
	if err := os.WriteFile(w.sightings(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := verdict(verify.Unchanged); !v.OK || v.Level != verify.Bytes {
		t.Errorf("with a table that is none: %+v", v)
	}
}

// TestRacyBlobsAreReadAgain: what was written just before it was read, or by a clock that was set back since, is not
// remembered.
func TestRacyBlobsAreReadAgain(t *testing.T) {
	w, d := settledStore(t)
	for name, by := range map[string]time.Duration{"just written": 0, "the clock was set back": -time.Hour, "two seconds ago": 2 * time.Second} {
		e := w.evidence()
		e.clock = e.clock.Add(by)
		if v, err := verify.Artifact(t.Context(), "x", d, e, verify.Bytes); err != nil || !v.OK || len(e.kept) != 0 {
			t.Errorf("%s: %d blobs are remembered, %v", name, len(e.kept), err)
		}
	}
	e := w.evidence()
	e.clock = time.Time{} // the file system gave no time
	if v, err := verify.Artifact(t.Context(), "x", d, e, verify.Bytes); err != nil || !v.OK || len(e.kept) != 0 {
		t.Errorf("no clock: %d blobs are remembered, %v", len(e.kept), err)
	}
}

// settledStore is a home with one dataset, whose config, first layer and shard are its three blobs.
func settledStore(t *testing.T) (*workshop, digest.Digest) {
	t.Helper()
	a := &app{home: t.TempDir(), World: World{Lookup: func(string) (string, bool) { return "", false }}}
	w, err := a.open()
	if err != nil {
		t.Fatal(err)
	}
	return w, packMany(t, w.layout, 50)
}

func layerOf(t *testing.T, w *workshop, d digest.Digest) digest.Digest {
	t.Helper()
	text, err := cas.ReadAll(t.Context(), w.layout, d, maxShown)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Layers []struct{ Digest digest.Digest }
	}
	if err := json.Unmarshal(text, &m); err != nil || len(m.Layers) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	return m.Layers[1].Digest
}

// TestList: the files are listed in one object, however many there are.
func TestList(t *testing.T) {
	m := newMachine(t, "")
	layout, err := cas.OpenLayout(filepath.Join(m.home, "cairn", "store"))
	if err != nil {
		t.Fatal(err)
	}
	d := packMany(t, layout, 50)
	doc := object[struct {
		Schema  string
		Entries []listed
	}](m, 0, "ls", d.String())
	if doc.Schema != "cairn/ls/v1" || len(doc.Entries) != 50 || doc.Entries[49] != (listed{nameOfFile(49), 1024, digest.FromString(contentOf(49))}) {
		t.Errorf("%+v", doc)
	}
	m.want(0, []string{"ls", d.String()}, fmt.Sprintf("%s        1024  %s\n", digest.FromString(contentOf(7)), nameOfFile(7)))
}
