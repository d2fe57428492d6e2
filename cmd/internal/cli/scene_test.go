package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// scene is a copy of a home with a finished rebuild, and its lock. Who attacks may write everything in it, and has a key
// of his own, but not that of the rebuilder.
type scene struct {
	t     *testing.T
	home  string
	store *cas.Layout
	lock  string // its text
	trust string // path of the policy
	signs keys.Key
}

// stranger is the key of who attacks.
var stranger = func() keys.Key {
	k, err := keys.New()
	if err != nil {
		panic(err)
	}
	return k
}()

// newScene copies a home. The blobs are linked: they are exchanged, never written to.
func newScene(t *testing.T, p *proven) *scene {
	t.Helper()
	s := &scene{t: t, home: t.TempDir(), lock: p.read("benchmark.lock"), trust: filepath.Join(p.home, "cairn", trustFile), signs: stranger}
	from := filepath.Join(p.home, "cairn")
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(s.home, rel)
		switch {
		case rel == "engine" || rel == "tmp":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.Contains(rel, "blobs"):
			return os.Link(path, to)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.store, err = cas.OpenLayout(filepath.Join(s.home, "store")); err != nil {
		t.Fatal(err)
	}
	return s
}

// check verifies the lock in this process.
func (s *scene) check(args ...string) (int, verify.Verdict) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "benchmark.lock")
	if err := os.WriteFile(file, []byte(s.lock), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if len(args) == 0 {
		args = []string{"--level", "files"}
	}
	var stdout, stderr bytes.Buffer
	code := Main(context.Background(), World{Args: append([]string{"--home", s.home, "--trust", s.trust, "--json", "verify", file}, args...),
		Stdout: &stdout, Stderr: &stderr, Lookup: func(string) (string, bool) { return "", false }})
	var v verify.Verdict
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		s.t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	return code, v
}

func (s *scene) blob(d digest.Digest) []byte {
	s.t.Helper()
	text, err := os.ReadFile(s.store.Path(d))
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *scene) put(text []byte) digest.Digest {
	s.t.Helper()
	d, err := cas.PutBytes(context.Background(), s.store, text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// exchange puts other bytes under the name of a blob.
func (s *scene) exchange(d digest.Digest, text []byte) {
	s.t.Helper()
	if err := os.Remove(s.store.Path(d)); err != nil {
		s.t.Fatal(err)
	}
	if text == nil {
		return
	}
	if err := os.WriteFile(s.store.Path(d), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func read[T any](s *scene, d digest.Digest) T {
	s.t.Helper()
	var v T
	if err := json.Unmarshal(s.blob(d), &v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *scene) keep(v any) ocispec.Descriptor {
	s.t.Helper()
	text, err := canonical.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: s.put(text), Size: int64(len(text))}
}

// benchmark is the index that the name of the benchmark stands for.
func (s *scene) benchmark() ocispec.Index {
	s.t.Helper()
	ix, err := s.store.Index(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range ix.Manifests {
		if m.Annotations[ocispec.AnnotationRefName] == "small" {
			return read[ocispec.Index](s, m.Digest)
		}
	}
	s.t.Fatal("no benchmark")
	return ocispec.Index{}
}

// index changes the benchmark's index, and has the name stand for the new one.
func (s *scene) index(change func(ix *ocispec.Index)) {
	s.t.Helper()
	ix := s.benchmark()
	change(&ix)
	d := s.keep(ix)
	d.MediaType, d.ArtifactType = ix.MediaType, ix.ArtifactType
	if err := s.store.Tag(context.Background(), map[string]ocispec.Descriptor{"small": d}); err != nil {
		s.t.Fatal(err)
	}
}

// entry finds what the index lists of a step: its artifact, or its record.
func (s *scene) entry(ix *ocispec.Index, step string, record bool) *ocispec.Descriptor {
	s.t.Helper()
	for i, m := range ix.Manifests {
		if m.Annotations[verify.StepKey] == step && (m.ArtifactType == provenance.MediaType) == record {
			return &ix.Manifests[i]
		}
	}
	s.t.Fatalf("the index lists no %s", step)
	return nil
}

// manifest reads the manifest of the artifact or the record of a step.
func (s *scene) manifest(step string, record bool) ocispec.Manifest {
	s.t.Helper()
	ix := s.benchmark()
	return read[ocispec.Manifest](s, s.entry(&ix, step, record).Digest)
}

// remanifest changes that manifest, and has the index list the new one.
func (s *scene) remanifest(step string, record bool, change func(m *ocispec.Manifest)) ocispec.Descriptor {
	s.t.Helper()
	m := s.manifest(step, record)
	change(&m)
	d := s.keep(m)
	s.index(func(ix *ocispec.Index) {
		e := s.entry(ix, step, record)
		e.Digest, e.Size = d.Digest, d.Size
	})
	return d
}

func descriptorOf(mediaType string, d digest.Digest, n int) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(n)}
}

// restate changes the statement of a step's record. by signs the new one; nil keeps the old signature.
func (s *scene) restate(step string, by dsse.Signer, change func(doc map[string]any)) {
	s.t.Helper()
	s.remanifest(step, true, func(m *ocispec.Manifest) {
		s.reword(&m.Layers[0], by, change)
	})
}

// reword changes the statement in the envelope of a layer. by signs the new one; nil keeps the old signature.
func (s *scene) reword(layer *ocispec.Descriptor, by dsse.Signer, change func(doc map[string]any)) {
	s.t.Helper()
	e, err := envelope.Open(s.blob(layer.Digest))
	if err != nil {
		s.t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(e.Payload, &doc); err != nil {
		s.t.Fatal(err)
	}
	change(doc)
	text, err := canonical.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	sealed := s.seal(e, text, by)
	*layer = descriptorOf(provenance.EnvelopeType, s.put(sealed), len(sealed))
}

// seal makes an envelope of other bytes.
func (s *scene) seal(was envelope.Envelope, payload []byte, by dsse.Signer) []byte {
	s.t.Helper()
	if by != nil {
		out, err := envelope.Sign(context.Background(), was.Type, payload, by)
		if err != nil {
			s.t.Fatal(err)
		}
		return out
	}
	raw := map[string]any{"payload": payload, "payloadType": was.Type}
	sigs := []any{}
	for _, sig := range was.Signatures {
		sigs = append(sigs, map[string]any{"keyid": sig.KeyID, "sig": sig.Sig})
	}
	raw["signatures"] = sigs
	out, err := canonical.Marshal(raw)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// edit puts a value at a path such as predicate.runDetails.byproducts.0.name.
func set(t *testing.T, doc any, path string, value any) {
	t.Helper()
	keys := strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[k]
		case []any:
			i, err := strconv.Atoi(k)
			if err != nil || i >= len(v) {
				t.Fatalf("%s: %d entries", path, len(v))
			}
			doc = v[i]
		}
	}
	last := keys[len(keys)-1]
	v, ok := doc.(map[string]any)
	if !ok {
		t.Fatalf("%s: no such member", path)
	}
	if value == nil {
		delete(v, last)
		return
	}
	v[last] = value
}

// relock changes the text of the lock and makes its last line fit.
func (s *scene) relock(change func(body string) string) {
	s.t.Helper()
	body, _, ok := strings.Cut(s.lock, "digest: ")
	if !ok {
		s.t.Fatal("a lock without its digest")
	}
	now := change(body)
	if now == body {
		s.t.Fatal("the lock is as it was")
	}
	s.lock = now + "digest: " + digest.FromString(now).String() + "\n"
}

// publish has the documents of the benchmark hold the lock as it is now, with a record that a stranger has signed: all
// that he can do.
func (s *scene) publish() {
	s.t.Helper()
	d := s.remanifest(verify.DocumentsStep, false, func(m *ocispec.Manifest) {
		i := slices.IndexFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.Annotations[ocispec.AnnotationTitle] == verify.LockFile })
		m.Layers[i].Digest, m.Layers[i].Size = s.put([]byte(s.lock)), int64(len(s.lock))
	})
	s.resubject(verify.DocumentsStep, d)
}

// unproven takes the proof of the ledger out of the record of the documents, which does not fit it any more.
func (s *scene) unproven() {
	s.t.Helper()
	s.restate(verify.DocumentsStep, s.signs, func(doc map[string]any) { set(s.t, doc, "predicate.runDetails.byproducts", nil) })
	s.remanifest(verify.DocumentsStep, true, func(m *ocispec.Manifest) { m.Layers = m.Layers[:1] })
}

// resubject makes the record of a step one of another artifact, signed by who attacks, and with it the signed numbers.
func (s *scene) resubject(step string, made ocispec.Descriptor) {
	s.t.Helper()
	s.restate(step, s.signs, func(doc map[string]any) {
		set(s.t, doc, "subject.0.digest", map[string]any{"sha256": made.Digest.Encoded()})
	})
	s.remanifest(step, true, func(m *ocispec.Manifest) { m.Subject.Digest, m.Subject.Size = made.Digest, made.Size })
	if step == scored {
		s.renumber(func(doc map[string]any) {
			set(s.t, doc, "subject.0.digest", map[string]any{"sha256": made.Digest.Encoded()})
		})
	}
}

// renumber changes the signed numbers of the evaluation, and has its record name the new statement.
func (s *scene) renumber(change func(doc map[string]any)) {
	s.t.Helper()
	var now digest.Digest
	s.remanifest(scored, true, func(m *ocispec.Manifest) {
		s.reword(&m.Layers[1], s.signs, change)
		now = m.Layers[1].Digest
	})
	s.restate(scored, s.signs, func(doc map[string]any) {
		set(s.t, doc, "predicate.runDetails.byproducts.0.digest", map[string]any{"sha256": now.Encoded()})
	})
}

// remake exchanges the artifact of a step wherever its digest stands: index, lock, and a record that a stranger signs.
func (s *scene) remake(step string, change func(m *ocispec.Manifest)) {
	s.t.Helper()
	ix := s.benchmark()
	was := s.entry(&ix, step, false).Digest
	made := s.remanifest(step, false, change)
	s.resubject(step, made)
	s.relock(func(body string) string { return strings.ReplaceAll(body, was.String(), made.Digest.String()) })
	s.publish()
}

// tarEntry is one entry of a tar.
type tarEntry struct {
	tar.Header
	text string
}

// retar changes the entries of one layer of a manifest, in place in the manifest.
func (s *scene) retar(m *ocispec.Manifest, layer int, change func(all []tarEntry) []tarEntry) {
	s.t.Helper()
	var all []tarEntry
	r := tar.NewReader(bytes.NewReader(s.blob(m.Layers[layer].Digest)))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, tarEntry{*h, string(text)})
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range change(all) {
		if e.Typeflag == tar.TypeReg {
			e.Size = int64(len(e.text))
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			s.t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	m.Layers[layer].Digest, m.Layers[layer].Size = s.put(out.Bytes()), int64(out.Len())
}
