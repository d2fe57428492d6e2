package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// section is one numbered section of docs/audit.md with its commands.
type section struct{ number, commands string }

var (
	auditSection = regexp.MustCompile(`(?ms)^## (\d+)\. (.*?)(?:^## |\z)`)
	auditBlock   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
)

// auditPage reads the commands of docs/audit.md.
func auditPage(t *testing.T) []section {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "docs", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []section
	rest := string(text)
	for m := auditSection.FindStringSubmatchIndex(rest); m != nil; m = auditSection.FindStringSubmatchIndex(rest) {
		s := section{number: rest[m[2]:m[3]]}
		for _, b := range auditBlock.FindAllStringSubmatch(rest[m[4]:m[5]], -1) {
			s.commands += b[1]
		}
		all, rest = append(all, s), rest[m[5]:]
	}
	if len(all) < 10 || slices.ContainsFunc(all, func(s section) bool { return s.commands == "" }) {
		t.Fatalf("docs/audit.md: %d sections, or one without commands", len(all))
	}
	return all
}

// auditTools lets the PATH have the programs that the page asks for. They may be absent where somebody works, not in CI.
func auditTools(t *testing.T) {
	t.Helper()
	path := os.Getenv("PATH") + ":" + filepath.Join(repository(t), ".cache", "tools")
	if dir := os.Getenv("CAIRN_TOOLS"); dir != "" {
		path += ":" + dir
	}
	t.Setenv("PATH", path)
	for _, name := range []string{"bash", "sha256sum", "basenc", "tar", "jq", "openssl", "crane"} {
		if _, err := exec.LookPath(name); err != nil && os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed: CI has to run docs/audit.md", name)
		} else if err != nil {
			t.Skipf("%s is not installed: docs/audit.md is not run (Debian: jq, openssl; `make tools` builds crane)", name)
		}
	}
}

// auditor has what the page asks for, in a folder.
type auditor struct {
	t    *testing.T
	dir  string
	page []section
}

// stops runs the page, without the sections in skip, and returns the number of the section that finds something wrong, "" if
// none does.
func (a auditor) stops(ref string, skip ...string) (number, output string) {
	a.t.Helper()
	var script strings.Builder
	for _, s := range a.page {
		if !slices.Contains(skip, s.number) {
			script.WriteString("echo 'section " + s.number + "'\n" + s.commands)
		}
	}
	c := exec.CommandContext(a.t.Context(), "bash", "-eu", "-o", "pipefail", "-c", script.String())
	c.Dir = a.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir, "REF=" + ref, "LC_ALL=C.UTF-8"}
	out, err := c.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		a.t.Fatal(err)
	}
	if err != nil {
		at := regexp.MustCompile(`(?m)^section (\d+)$`).FindAllStringSubmatch(string(out), -1)
		return at[len(at)-1][1], string(out)
	}
	return "", string(out)
}

// copied is a copy of the lock, the key and the layout, to be tampered with.
func (a auditor) copied(t *testing.T) auditor {
	t.Helper()
	b := auditor{t, t.TempDir(), a.page}
	for _, name := range []string{"benchmark.lock", "key.pem"} {
		b.write(name, a.read(name))
	}
	if err := os.CopyFS(filepath.Join(b.dir, "layout"), os.DirFS(filepath.Join(a.dir, "layout"))); err != nil {
		t.Fatal(err)
	}
	return b
}

func (a auditor) read(name string) []byte {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func (a auditor) write(name string, text []byte) {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) { // blobs are read-only
		a.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func blobPath(d digest.Digest) string { return "layout/blobs/sha256/" + d.Encoded() }

func (a auditor) put(text []byte) ocispec.Descriptor {
	a.t.Helper()
	d := digest.FromBytes(text)
	a.write(blobPath(d), text)
	return ocispec.Descriptor{Digest: d, Size: int64(len(text))}
}

func (a auditor) putJSON(v any) ocispec.Descriptor {
	a.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.put(text)
}

func (a auditor) manifest(d digest.Digest) ocispec.Manifest {
	a.t.Helper()
	return parsed[ocispec.Manifest](a.t, a.read(blobPath(d)))
}

func parsed[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// reindex has change edit the index of the benchmark, and the layout name the new one.
func (a auditor) reindex(change func(ix *ocispec.Index)) {
	a.t.Helper()
	root := parsed[ocispec.Index](a.t, a.read("layout/index.json"))
	ix := parsed[ocispec.Index](a.t, a.read(blobPath(root.Manifests[0].Digest)))
	change(&ix)
	made := a.putJSON(ix)
	root.Manifests[0].Digest, root.Manifests[0].Size = made.Digest, made.Size
	text, err := json.Marshal(root)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("layout/index.json", text)
}

// listedIn finds what the index has of a step: its artifact, or its record.
func listedIn(ix *ocispec.Index, step string, record bool) *ocispec.Descriptor {
	i := slices.IndexFunc(ix.Manifests, func(d ocispec.Descriptor) bool {
		return d.Annotations["io.cairn-bench.step"] == step && (d.ArtifactType == "application/vnd.in-toto+json") == record
	})
	return &ix.Manifests[i]
}

// resigned signs the record of a step with another key, after change had its statement.
func (a auditor) resigned(step string, change func(statement []byte) []byte) {
	a.t.Helper()
	a.reindex(func(ix *ocispec.Index) {
		d := listedIn(ix, step, true)
		m := a.manifest(d.Digest)
		m.Layers[0] = a.sealed(m.Layers[0], change)
		made := a.putJSON(m)
		d.Digest, d.Size = made.Digest, made.Size
	})
}

// allResigned makes the forger the owner of the key: he signs all anew, also what he has changed.
func (a auditor) allResigned(change func(statement []byte) []byte) {
	a.t.Helper()
	a.write("key.pem", otherKey{}.public().PEM())
	documents := listedIn(a.index(), "documents", false).Digest
	a.reindex(func(ix *ocispec.Index) {
		for i, d := range ix.Manifests {
			if d.ArtifactType != "application/vnd.in-toto+json" {
				continue
			}
			m := a.manifest(d.Digest)
			text := a.payload(m.Layers[0])
			if change != nil {
				text = change(text)
			}
			for j, l := range m.Layers[1:] {
				if l.MediaType == envelope.MediaType {
					m.Layers[j+1] = a.sealed(l, func(payload []byte) []byte { return payload })
					text = bytes.ReplaceAll(text, []byte(l.Digest.Encoded()), []byte(m.Layers[j+1].Digest.Encoded()))
				}
			}
			if d.Annotations["io.cairn-bench.step"] == "documents" {
				text = bytes.ReplaceAll(text, []byte(m.Subject.Digest.Encoded()), []byte(documents.Encoded()))
			}
			m.Layers[0] = a.sealed(m.Layers[0], func([]byte) []byte { return text })
			made := a.putJSON(m)
			ix.Manifests[i].Digest, ix.Manifests[i].Size = made.Digest, made.Size
		}
	})
}

func (a auditor) payload(layer ocispec.Descriptor) []byte {
	a.t.Helper()
	e, err := envelope.Open(a.read(blobPath(layer.Digest)))
	if err != nil {
		a.t.Fatal(err)
	}
	return e.Payload
}

// sealed is a layer with the payload of another, changed and signed by the forger.
func (a auditor) sealed(layer ocispec.Descriptor, change func(payload []byte) []byte) ocispec.Descriptor {
	a.t.Helper()
	text, err := envelope.Sign(a.t.Context(), "application/vnd.in-toto+json", change(a.payload(layer)), otherKey{})
	if err != nil {
		a.t.Fatal(err)
	}
	made := a.put(text)
	layer.Digest, layer.Size = made.Digest, made.Size
	return layer
}

// otherKey is that of a forger.
type otherKey struct{}

func (otherKey) private() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
}

func (k otherKey) public() trust.PublicKey {
	p, err := trust.NewPublicKey(k.private().Public())
	if err != nil {
		panic(err)
	}
	return p
}

func (k otherKey) KeyID() (string, error) { return k.public().ID, nil }

func (k otherKey) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(k.private(), data), nil
}

// relocked writes the lock with another text, its last line included.
func (a auditor) relocked(from, to string) []byte {
	a.t.Helper()
	body, _, _ := bytes.Cut(a.read("benchmark.lock"), []byte("\ndigest: "))
	changed := append(bytes.Replace(body, []byte(from), []byte(to), 1), '\n')
	if bytes.Equal(changed, append(body, '\n')) {
		a.t.Fatalf("the lock has no %q", from)
	}
	text := append(changed, "digest: "+digest.FromBytes(changed).String()+"\n"...)
	a.write("benchmark.lock", text)
	return text
}

// enclosed puts a lock into the artifact of the documents.
func (a auditor) enclosed(lock []byte) {
	a.t.Helper()
	a.reindex(func(ix *ocispec.Index) {
		d := listedIn(ix, "documents", false)
		m := a.manifest(d.Digest)
		i := slices.IndexFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.Annotations[ocispec.AnnotationTitle] == "benchmark.lock" })
		made := a.put(lock)
		m.Layers[i].Digest, m.Layers[i].Size = made.Digest, made.Size
		made = a.putJSON(m)
		d.Digest, d.Size = made.Digest, made.Size
	})
}

// flipped changes one bit in the middle of a blob, under the same name.
func (a auditor) flipped(d digest.Digest) {
	a.t.Helper()
	text := a.read(blobPath(d))
	text[len(text)/2] ^= 1
	a.write(blobPath(d), text)
}

func (a auditor) index() *ocispec.Index {
	a.t.Helper()
	root := parsed[ocispec.Index](a.t, a.read("layout/index.json"))
	ix := parsed[ocispec.Index](a.t, a.read(blobPath(root.Manifests[0].Digest)))
	return &ix
}

// editProof changes what stands behind a text in the proof of the ledger, under the same name.
func (a auditor) editProof(behind string, change func(rest []byte)) {
	a.t.Helper()
	layers := a.manifest(listedIn(a.index(), "documents", true).Digest).Layers
	i := slices.IndexFunc(layers, func(l ocispec.Descriptor) bool { return strings.Contains(l.MediaType, "ledger-proof") })
	text := a.read(blobPath(layers[i].Digest))
	at := bytes.Index(text, []byte(behind))
	if at < 0 {
		a.t.Fatalf("the proof has no %q: %s", behind, text)
	}
	change(text[at+len(behind):])
	a.write(blobPath(layers[i].Digest), text)
}
