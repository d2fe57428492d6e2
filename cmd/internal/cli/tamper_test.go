package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/verify"
)

// proven is a machine with a finished rebuild.
type proven struct {
	*machine
	blobs []string // paths
}

func prove(t *testing.T) *proven {
	t.Helper()
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	p := &proven{machine: m}
	err := filepath.WalkDir(filepath.Join(m.home, "cairn", "store", "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			p.blobs = append(p.blobs, path)
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil || len(p.blobs) < 30 {
		t.Fatalf("%d blobs, %v", len(p.blobs), err)
	}
	return p
}

// verify checks the lock in this process: it needs no engine.
func (p *proven) verify(t *testing.T) (int, verify.Verdict) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Main(t.Context(), World{Args: []string{"--home", filepath.Join(p.home, "cairn"), "verify", p.path("benchmark.lock"), "--level", "bytes", "--json"},
		Stdout: &stdout, Stderr: &stderr, Lookup: func(string) (string, bool) { return "", false }})
	var v verify.Verdict
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	return code, v
}

func nameOf(blob string) digest.Digest {
	return digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(blob))
}

// names says whether a verdict names a blob, with its place.
func names(v verify.Verdict, blob string, missing bool) bool {
	for _, p := range v.Problems {
		if p.Digest == nameOf(blob) && p.Path != "" && p.Missing() == missing {
			return true
		}
	}
	return false
}

func readBlob(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeBlob(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryBlobCounts: whatever happens to any blob of the store, verify says so and names it.
func TestEveryBlobCounts(t *testing.T) {
	p := prove(t)
	if code, v := p.verify(t); code != 0 || !v.OK || v.Level != verify.Bytes || v.Checked.Blobs != len(p.blobs) {
		t.Fatalf("code %d, %+v; want all %d blobs checked", code, v, len(p.blobs))
	}
	for i, blob := range p.blobs {
		text := readBlob(t, blob)
		flipped := bytes.Clone(text)
		flipped[len(flipped)/2] ^= 1
		writeBlob(t, blob, flipped)
		if code, v := p.verify(t); code != 3 || v.OK || !names(v, blob, false) || v.Level == verify.Bytes {
			t.Errorf("one bit of %s flipped: code %d, %+v", nameOf(blob), code, v)
		}
		if err := os.Remove(blob); err != nil {
			t.Fatal(err)
		}
		if code, v := p.verify(t); code != 4 || v.OK || !names(v, blob, true) || v.Level == verify.Bytes {
			t.Errorf("%s deleted: code %d, %+v", nameOf(blob), code, v)
		}
		other := p.blobs[(i+1)%len(p.blobs)]
		otherText := readBlob(t, other)
		writeBlob(t, blob, otherText)
		writeBlob(t, other, text)
		if code, v := p.verify(t); code != 3 || v.OK || !names(v, blob, false) && !names(v, other, false) {
			t.Errorf("%s and %s swapped: code %d, %+v", nameOf(blob), nameOf(other), code, v)
		}
		writeBlob(t, blob, text)
		writeBlob(t, other, otherText)
	}
	if code, _ := p.verify(t); code != 0 {
		t.Errorf("after everything is put back: code %d", code)
	}
}

// TestEditedLock: an edited number, digest or name of the lock is found, also when the lock's own digest is
// made to fit.
func TestEditedLock(t *testing.T) {
	p := prove(t)
	text := p.read("benchmark.lock")
	body, _, _ := strings.Cut(text, "digest: ")
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	edits := 0
	for i, line := range lines {
		for _, edited := range edit(line) {
			edits++
			changed := strings.Join(append(append(append([]string{}, lines[:i]...), edited), lines[i+1:]...), "\n") + "\n"
			for _, lock := range []string{changed + "digest: " + text[len(body)+len("digest: "):], changed + "digest: " + digest.FromString(changed).String() + "\n"} {
				p.write("benchmark.lock", lock)
				if code, v := p.verify(t); code != 3 && code != 4 || v.OK {
					t.Errorf("line %d edited to %q: code %d, %+v", i+1, edited, code, v)
				}
			}
		}
	}
	if edits < 10 {
		t.Errorf("only %d edits", edits)
	}
}

// edit changes each number and each digest of a line, one at a time.
func edit(line string) []string {
	var out []string
	for i := range line {
		at := line[i:]
		switch {
		case strings.HasPrefix(at, "sha256:"):
			c := "0"
			if line[i+10] == '0' {
				c = "1"
			}
			out = append(out, line[:i+10]+c+line[i+11:])
		case strings.HasPrefix(at, ": 0."):
			c := "1"
			if line[i+4] == '1' {
				c = "2"
			}
			out = append(out, line[:i+4]+c+line[i+5:])
		}
	}
	return out
}

// TestLostCache: the action cache is no part of the proof, and to lose it costs work and nothing else.
func TestLostCache(t *testing.T) {
	p := prove(t)
	if err := os.RemoveAll(filepath.Join(p.home, "cairn", "actions")); err != nil {
		t.Fatal(err)
	}
	p.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	p.want(0, words("verify small --level bytes"), "verified, level bytes")
	lock := p.read("benchmark.lock")
	p.want(0, words("run benchmark.yaml"), "4 steps done, 0 found")
	if p.read("benchmark.lock") != lock {
		t.Error("the lock changed")
	}
	p.want(0, words("verify benchmark.lock --level bytes"), "verified")
}
