package cli

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/ledger"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	format "github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// onArtifacts changes data: in place, or with every digest above them made to fit and a stranger's signature.
func onArtifacts() []attack {
	entries := func(layer int, change func(all []tarEntry) []tarEntry) func(s *scene) {
		return func(s *scene) {
			s.remake(curatedIn, func(m *ocispec.Manifest) { s.retar(m, layer, change) })
		}
	}
	put := func(h tar.Header) func(s *scene) {
		return entries(1, func(all []tarEntry) []tarEntry {
			h.Mode = 0o644
			return append(all, tarEntry{h, ""})
		})
	}
	inFile := func(name, was, is string) func(s *scene) {
		return entries(0, func(all []tarEntry) []tarEntry {
			for i := range all {
				if all[i].Name == name {
					all[i].text = strings.Replace(all[i].text, was, is, 1)
				}
			}
			return all
		})
	}
	return []attack{
		{"data: a layer exchanged under its name", func(s *scene) { s.exchange(s.manifest(curatedIn, false).Layers[1].Digest, []byte("x")) }, verify.BlobAltered, curatedIn, "test/"},
		{"data: two layers exchanged", func(s *scene) {
			a, b := s.manifest(curatedIn, false).Layers[1].Digest, s.manifest(fetchedIn, false).Layers[1].Digest
			x, y := s.blob(a), s.blob(b)
			s.exchange(a, y)
			s.exchange(b, x)
		}, verify.BlobAltered, fetchedIn, "heart.csv"},
		{"data: a layer gone", func(s *scene) { s.exchange(s.manifest(curatedIn, false).Layers[1].Digest, nil) }, verify.BlobMissing, curatedIn, "layer"},
		{"data: the weights of another training", func(s *scene) {
			for _, l := range s.manifest(trainedIn, false).Layers {
				if l.Annotations[ocispec.AnnotationTitle] == document.WeightsFile {
					s.exchange(l.Digest, make([]byte, l.Size))
				}
			}
		}, verify.BlobAltered, trainedIn, document.WeightsFile},
		{"data: layers in another order", func(s *scene) {
			s.remake(curatedIn, func(m *ocispec.Manifest) { slices.Reverse(m.Layers) })
		}, verify.Malformed, curatedIn, "layer 0"},
		{"data: a link to the host", put(tar.Header{Name: "zz/passwd", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), verify.FilesDiffer, curatedIn, ""},
		{"data: a hard link", put(tar.Header{Name: "zz/link", Typeflag: tar.TypeLink, Linkname: "dataset.json"}), verify.FilesDiffer, curatedIn, ""},
		{"data: a device", put(tar.Header{Name: "zz/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}), verify.FilesDiffer, curatedIn, ""},
		{"data: a path out of the folder", put(tar.Header{Name: "../escaped", Typeflag: tar.TypeReg}), verify.FilesDiffer, curatedIn, ""},
		{"data: an absolute path", put(tar.Header{Name: "/etc/cron.d/x", Typeflag: tar.TypeReg}), verify.FilesDiffer, curatedIn, ""},
		{"data: a file twice", entries(1, func(all []tarEntry) []tarEntry { return append(all, all[len(all)-1]) }), verify.FilesDiffer, curatedIn, ""},
		{"data: a file renamed", entries(1, func(all []tarEntry) []tarEntry {
			all[len(all)-1].Name += "~"
			return all
		}), verify.FilesDiffer, curatedIn, ""},
		{"data: a file taken out", entries(1, func(all []tarEntry) []tarEntry { return all[:len(all)-1] }), verify.FilesDiffer, curatedIn, ""},
		{"data: a file changed", entries(1, func(all []tarEntry) []tarEntry {
			all[len(all)-1].text = strings.Repeat("x", len(all[len(all)-1].text))
			return all
		}), verify.FilesDiffer, curatedIn, ""},
		{"data: a label moved, the sums as they were", inFile(document.SamplesFile, `"absent"`, `"presen"`), verify.FilesDiffer, curatedIn, document.SamplesFile},
		{"data: a line of the sums", inFile(document.SumsFile, "a", "b"), verify.FilesDiffer, curatedIn, ""},
		{"data: the root", func(s *scene) {
			s.remake(curatedIn, func(m *ocispec.Manifest) {
				m.Annotations[artifact.RootAnnotation] = digest.FromString("other").String()
			})
		}, verify.FilesDiffer, curatedIn, ""},
		{"data: labels moved, all digests made to fit", repacked(curatedIn, document.SamplesFile, func(text string) string {
			text = strings.ReplaceAll(text, `"absent"`, `"x"`)
			text = strings.ReplaceAll(text, `"present"`, `"absent"`)
			return strings.ReplaceAll(text, `"x"`, `"present"`)
		}), verify.RecordUntrusted, curatedIn, "record/signature"},
		{"data: a sample twice, all digests made to fit", repacked(curatedIn, document.SamplesFile, func(text string) string {
			first, _, _ := strings.Cut(text, "\n")
			return first + "\n" + text
		}), verify.RecordUntrusted, curatedIn, "record/signature"},
		{"data: a sample moved from test to train, all digests made to fit", repacked(curatedIn, document.SamplesFile, func(text string) string {
			return strings.Replace(text, `"split":"test"`, `"split":"train"`, 1)
		}), verify.RecordUntrusted, curatedIn, "record/signature"},
		{"data: another licence, all digests made to fit", repacked(curatedIn, document.DatasetFile, func(text string) string {
			return strings.Replace(text, "CC0-1.0", "CC-BY-4.0", 1)
		}), verify.RecordUntrusted, curatedIn, "record/signature"},
		{"data: better metrics, all digests made to fit", func(s *scene) {
			s.remake(scored, func(m *ocispec.Manifest) {
				for i, l := range m.Layers {
					if l.Annotations[ocispec.AnnotationTitle] == document.MetricsFile {
						text := strings.Replace(string(s.blob(l.Digest)), `"value":0.`, `"value":1.`, 1)
						m.Layers[i].Digest, m.Layers[i].Size = s.put([]byte(text)), int64(len(text))
					}
				}
			})
		}, verify.RecordUntrusted, scored, "record/signature"},
	}
}

// repacked makes an artifact anew, whole in itself, with one of its files changed.
func repacked(step, file string, change func(string) string) func(s *scene) {
	return func(s *scene) {
		ix := s.benchmark()
		tree, err := sandbox.OpenTree(context.Background(), s.store, s.entry(&ix, step, false).Digest)
		if err != nil {
			s.t.Fatal(err)
		}
		files, texts := []artifact.File{}, map[string]string{}
		for _, e := range tree.Files() {
			if artifact.Reserved(e.Path) {
				continue
			}
			text, err := tree.ReadFile(e.Path)
			if err != nil {
				s.t.Fatal(err)
			}
			texts[e.Path] = string(text)
			if e.Path == file {
				if texts[e.Path] = change(string(text)); texts[e.Path] == string(text) {
					s.t.Fatalf("%s is as it was", file)
				}
			}
			files = append(files, artifact.File{Path: e.Path, Size: int64(len(texts[e.Path])), Digest: digest.FromString(texts[e.Path])})
		}
		made, err := artifact.Pack(context.Background(), s.store, artifact.Dataset, files, func(path string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(texts[path])), nil })
		if err != nil {
			s.t.Fatal(err)
		}
		s.remake(step, func(m *ocispec.Manifest) { *m = read[ocispec.Manifest](s, made.Digest) })
	}
}

// onLedger changes the proof that the benchmark has of the ledger, and the ledger of the home.
func onLedger() []attack {
	return []attack{
		{"ledger: no proof", reproof(nil), verify.LedgerNone, verify.DocumentsStep, "record/ledger"},
		{"ledger: a proof without its tiles", reproof(func(_ *scene, p *format.Proof) { clear(p.Tiles) }), verify.LedgerDiffers, verify.DocumentsStep, "record/ledger"},
		{"ledger: a cut tile", reproof(func(_ *scene, p *format.Proof) {
			for path, b := range p.Tiles {
				p.Tiles[path] = b[:len(b)-32]
			}
		}), verify.LedgerDiffers, verify.DocumentsStep, "record/ledger"},
		{"ledger: one bit of a tile", reproof(func(_ *scene, p *format.Proof) {
			for _, b := range p.Tiles {
				b[0] ^= 1
			}
		}), verify.LedgerDiffers, verify.DocumentsStep, "record/ledger"},
		{"ledger: a larger size", reproof(func(_ *scene, p *format.Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n4\n", "\n5\n", 1) }), verify.LedgerDiffers, verify.DocumentsStep, "record/ledger"},
		{"ledger: that of a stranger", reproof(func(s *scene, p *format.Proof) {
			var all []digest.Digest
			for _, m := range s.benchmark().Manifests {
				if m.ArtifactType == provenance.MediaType && m.Annotations[verify.StepKey] != verify.DocumentsStep {
					all = append(all, m.Digest)
				}
			}
			*p = s.log(stranger, filepath.Join(s.t.TempDir(), "ledger"), all...)
		}), verify.LedgerNone, verify.DocumentsStep, "record/ledger"},
		{"ledger: of the home, begun anew", func(s *scene) {
			s.forget()
			s.log(s.own(), filepath.Join(s.home, "ledger"), digest.FromString("a"), digest.FromString("b"), digest.FromString("c"), digest.FromString("d"), digest.FromString("e"))
		}, verify.LedgerRewritten, verify.DocumentsStep, "ledger"},
		{"ledger: of the home, cut to an older size", func(s *scene) {
			ix := s.benchmark()
			first := s.entry(&ix, fetchedIn, true).Digest
			s.forget()
			s.log(s.own(), filepath.Join(s.home, "ledger"), first)
		}, verify.LedgerRewritten, verify.DocumentsStep, "ledger"},
		{"ledger: of the home, begun by a stranger", func(s *scene) {
			s.forget()
			s.log(stranger, filepath.Join(s.home, "ledger"), digest.FromString("a"))
		}, verify.LedgerRewritten, verify.DocumentsStep, "ledger"},
		{"ledger: of the home, a tile edited", func(s *scene) {
			tiles, err := filepath.Glob(filepath.Join(s.home, "ledger", "tile", "0", "*", "*"))
			if err != nil || len(tiles) == 0 {
				s.t.Fatalf("tiles %q, %v", tiles, err)
			}
			for _, file := range tiles {
				text, err := os.ReadFile(file)
				if err == nil {
					text[0] ^= 1
					err = os.WriteFile(file, text, 0o600)
				}
				if err != nil {
					s.t.Fatal(err)
				}
			}
		}, verify.LedgerRewritten, verify.DocumentsStep, "ledger"},
	}
}

// reproof changes the proof, and the record of the documents so that it names the new one. A stranger signs that.
func reproof(change func(s *scene, p *format.Proof)) func(s *scene) {
	return func(s *scene) {
		layer := s.manifest(verify.DocumentsStep, true).Layers[1]
		var text []byte
		if change != nil {
			p, err := format.ParseProof(s.blob(layer.Digest))
			if err != nil {
				s.t.Fatal(err)
			}
			change(s, &p)
			if text, err = p.Marshal(); err != nil {
				s.t.Fatal(err)
			}
		}
		s.restate(verify.DocumentsStep, stranger, func(doc map[string]any) {
			if text == nil {
				set(s.t, doc, "predicate.runDetails.byproducts", nil)
				return
			}
			set(s.t, doc, "predicate.runDetails.byproducts.0.digest", map[string]any{"sha256": digest.FromBytes(text).Encoded()})
		})
		s.remanifest(verify.DocumentsStep, true, func(m *ocispec.Manifest) {
			m.Layers = m.Layers[:1]
			if text != nil {
				m.Layers = append(m.Layers, descriptorOf(format.MediaType, s.put(text), len(text)))
			}
		})
	}
}

// own is the key of the home. Who has it can rewrite the ledger; that this is found is what the ledger is for.
func (s *scene) own() keys.Key {
	s.t.Helper()
	k, err := keys.Load(keys.File(s.home))
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// log appends records to a ledger and proves the last of them.
func (s *scene) log(key keys.Key, dir string, records ...digest.Digest) format.Proof {
	s.t.Helper()
	l := ledger.Open(dir, key)
	if err := l.Append(context.Background(), records...); err != nil {
		s.t.Fatal(err)
	}
	p, err := l.Prove(records)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// forget removes the ledger of the home.
func (s *scene) forget() {
	s.t.Helper()
	for _, dir := range []string{"ledger", "ledger.state"} {
		if err := os.RemoveAll(filepath.Join(s.home, dir)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestForgedEntry: an entry of the action cache that leads to another result is believed by nobody: the record says what
// the action gave.
func TestForgedEntry(t *testing.T) {
	p := prove(t)
	p.strict(t)
	s := newScene(t, p)
	entries, err := filepath.Glob(filepath.Join(s.home, "actions", "sha256", "*", "*.json"))
	if err != nil || len(entries) < 5 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	ix := s.benchmark()
	was, is := s.entry(&ix, scored, false).Digest.String(), s.entry(&ix, trainedIn, false).Digest.String()
	for _, file := range entries {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strings.ReplaceAll(string(text), was, is)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.relock(func(body string) string { return strings.ReplaceAll(body, was, is) })
	code, v := s.check("--level", "records")
	if code != exitDiffers || !slices.ContainsFunc(v.Problems, func(o verify.Problem) bool { return o.Code == verify.RecordDiffers && o.Step == scored }) {
		t.Errorf("code %d, %s", code, problems(v))
	}
}

// dishonest is the home of one who has the key and has signed predictions that no model gave.
func dishonest(t *testing.T) *scene {
	t.Helper()
	p := prove(t)
	s := newScene(t, p)
	s.signs = s.own()
	s.trust = filepath.Join(s.home, "lenient.yaml")
	p.strict(t)
	text, err := os.ReadFile(filepath.Join(p.home, "cairn", trustFile))
	if err == nil {
		err = os.WriteFile(s.trust, []byte(strings.Replace(string(text), "ledger: required\n", "", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.remake(scored, func(m *ocispec.Manifest) {
		for i, l := range m.Layers {
			if l.Annotations[ocispec.AnnotationTitle] == document.PredictionsFile {
				text := strings.Replace(string(s.blob(l.Digest)), "absent", "present", 1)
				m.Layers[i].Digest, m.Layers[i].Size = s.put([]byte(text)), int64(len(text))
			}
		}
	})
	s.unproven()
	return s
}

// TestDishonestRebuilder: who has the key can sign what is not so. Doing the step again finds it, and nothing else does.
func TestDishonestRebuilder(t *testing.T) {
	s := dishonest(t)
	if code, v := s.check(); code != 0 || !v.Signed.OK {
		t.Fatalf("as far as records and bytes go: code %d, %s", code, problems(v))
	}
	if code, v := s.check("--rerun", curatedIn); code != 0 {
		t.Errorf("an honest step: code %d, %s", code, problems(v))
	}
	code, v := s.check("--rerun", scored)
	if code != exitDiffers || len(v.Problems) != 1 || v.Problems[0].Code != verify.RerunDiffers || v.Problems[0].Step != scored {
		t.Errorf("code %d, %s", code, problems(v))
	}
}
