package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// attack is something that somebody does to a finished rebuild, and how verify finds it. One of the problems has the
// code, the step, and a path that begins with path.
type attack struct {
	name             string
	do               func(s *scene)
	code, step, path string
}

const (
	fetchedIn = "fetch/heart"
	curatedIn = "curate/heart"
	trainedIn = "pretrain/single"
	scored    = "evaluate/test/single/heart"
	inLock    = "benchmark.lock"
)

// attacks are all of them.
func attacks(t *testing.T) []attack {
	all := append(onLock(), onStatements(t)...)
	all = append(all, onEnvelopes()...)
	all = append(all, onRecords()...)
	all = append(all, onIndex()...)
	all = append(all, onDocuments()...)
	all = append(all, onArtifacts()...)
	return append(all, onLedger()...)
}

// onLock edits each field of the lock, and makes its last line fit.
func onLock() []attack {
	edit := func(was, is string) func(s *scene) {
		return func(s *scene) { s.relock(func(body string) string { return strings.Replace(body, was, is, 1) }) }
	}
	field := func(step, key, is string) func(s *scene) {
		return func(s *scene) {
			s.relock(func(body string) string {
				line := lineOf(body, "  "+step+": ")
				at := strings.Index(line, key+": ") + len(key) + 2
				end := at + strings.IndexAny(line[at:], ",}")
				return strings.Replace(body, line, line[:at]+is+line[end:], 1)
			})
		}
	}
	other := digest.FromString("other").String()
	number := func(key string) func(s *scene) {
		return func(s *scene) {
			s.relock(func(body string) string {
				line := lineOf(body, "  - {evaluation: test")
				at := strings.Index(line, key+": ") + len(key) + 2
				end := at + strings.IndexAny(line[at:], ",}")
				return strings.Replace(body, line, line[:at]+"0.999"+line[end:], 1)
			})
		}
	}
	return []attack{
		{"lock: last line as it was", func(s *scene) { s.lock = strings.Replace(s.lock, "value: 0.", "value: 1.", 1) }, verify.LockEdited, "", ""},
		{"lock: its own digest", func(s *scene) { s.lock = strings.Replace(s.lock, "\ndigest: sha256:", "\ndigest: sha256:0", 1) }, verify.LockEdited, "", ""},
		{"lock: apiVersion", edit("apiVersion: cairn/v1", "apiVersion: cairn/v0"), verify.LockEdited, "", ""},
		{"lock: benchmark", edit("benchmark: small", "benchmark: large"), verify.PlanDiffers, "", inLock},
		{"lock: manifest", field2("manifest"), verify.PlanDiffers, "", inLock},
		{"lock: plan", func(s *scene) {
			s.relock(func(body string) string { return replaceLine(body, "plan: ", "plan: "+s.put([]byte("{}")).String()) })
		}, verify.Malformed, "", "plan"},
		{"lock: plugin of a step", field(curatedIn, "plugin", "curate/table@1"), verify.ActionDiffers, curatedIn, "plugin"},
		{"lock: action of a step", field(curatedIn, "action", other), verify.ActionDiffers, curatedIn, "action"},
		{"lock: artifact of a step", field(scored, "artifact", other), verify.RecordDiffers, scored, "record"},
		{"lock: artifact that others read", field(curatedIn, "artifact", other), verify.ActionDiffers, trainedIn, "action"},
		{"lock: a step renamed", edit("  "+trainedIn+":", "  pretrain/twofold:"), verify.LockEdited, trainedIn, inLock},
		{"lock: a step taken out", func(s *scene) {
			s.relock(func(body string) string { return replaceLine(body, "  "+trainedIn+": ", "") })
		}, verify.LockEdited, trainedIn, inLock},
		{"lock: a step put in", func(s *scene) {
			s.relock(func(body string) string {
				return strings.Replace(body, "results:\n", strings.Replace(lineOf(body, "  "+trainedIn+": "), trainedIn, "zoo", 1)+"results:\n", 1)
			})
		}, verify.LockEdited, "zoo", inLock},
		{"lock: value of a number", number("value"), verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: lower bound of a number", number("low"), verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: upper bound of a number", number("high"), verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: metric of a number", edit("metric: auroc", "metric: f1"), verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: dataset of a number", edit("dataset: heart", "dataset: liver"), verify.LockEdited, "", ""},
		{"lock: model of a number", edit("model: single", "model: double"), verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: evaluation of a number", edit("- {evaluation: test", "- {evaluation: best"), verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: a number taken out", func(s *scene) {
			s.relock(func(body string) string { return replaceLine(body, "  - {evaluation: test", "") })
		}, verify.ResultDiffers, scored, "test/single/heart"},
		{"lock: a number put in", func(s *scene) {
			s.relock(func(body string) string {
				return body + strings.Replace(lineOf(body, "  - {evaluation: test"), "metric: auroc", "metric: zeal", 1)
			})
		}, verify.ResultDiffers, "", "test/single/heart/zeal"},
		{"lock: rolled back to one of an older run", func(s *scene) {
			s.relock(func(body string) string { return body[:len(body)-1] + " \n" })
		}, verify.LockEdited, "", ""},
	}
}

func lineOf(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

// replaceLine exchanges the first line that begins so; "" takes it out.
func replaceLine(text, prefix, is string) string {
	if is != "" {
		is += "\n"
	}
	return strings.Replace(text, lineOf(text, prefix), is, 1)
}

func field2(key string) func(s *scene) {
	return func(s *scene) {
		s.relock(func(body string) string {
			return replaceLine(body, key+": ", key+": "+digest.FromString("other").String())
		})
	}
}

// onStatements edits each field of a record's statement, once with the old signature and once signed by a stranger.
func onStatements(t *testing.T) []attack {
	other := map[string]any{"sha256": digest.FromString("other").Encoded()}
	fields := []struct {
		path  string
		value any
		code  string // where it contradicts something, whoever has signed it
	}{
		{"_type", "https://in-toto.io/Statement/v0.1", verify.RecordDiffers},
		{"subject.0.name", "curate/liver", ""},
		{"subject.0.digest", other, verify.RecordDiffers},
		{"predicateType", "https://slsa.dev/provenance/v0.2", verify.RecordDiffers},
		{"predicate.buildDefinition.buildType", "https://example.org", verify.RecordDiffers},
		{"predicate.buildDefinition.externalParameters.id", digest.FromString("other").String(), verify.RecordDiffers},
		{"predicate.buildDefinition.externalParameters.action.plugin.version", "9", verify.RecordDiffers},
		{"predicate.buildDefinition.externalParameters.action.params", map[string]any{}, verify.RecordDiffers},
		{"predicate.buildDefinition.externalParameters.action.seed", "8", verify.RecordDiffers},
		{"predicate.buildDefinition.externalParameters.action.inputs.0.artifact", digest.FromString("other").String(), verify.RecordDiffers},
		{"predicate.buildDefinition.resolvedDependencies.0.digest", other, verify.RecordDiffers},
		{"predicate.runDetails.builder.id", "https://example.org", ""},
		{"predicate.runDetails.builder.version", map[string]any{"cairn": "v9"}, ""},
		{"predicate.runDetails.metadata.invocationId", "another", ""},
		{"predicate.runDetails.metadata.startedOn", "2001-01-01T00:00:00Z", ""},
		{"predicate.runDetails.metadata.finishedOn", "2001-01-01T00:00:00Z", ""},
		{"predicate.runDetails.byproducts", []any{map[string]any{"name": "evaluation", "digest": other}}, verify.RecordDiffers},
		{"predicate.note", "hello", verify.RecordDiffers},
	}
	var out []attack
	for _, f := range fields {
		change := func(doc map[string]any) { set(t, doc, f.path, f.value) }
		signed, resigned := verify.SignatureWrong, verify.RecordUntrusted
		if f.code != "" {
			signed, resigned = f.code, f.code
		}
		out = append(out,
			attack{"statement, old signature: " + f.path, func(s *scene) { s.restate(curatedIn, nil, change) }, signed, curatedIn, "record"},
			attack{"statement, signed by a stranger: " + f.path, func(s *scene) { s.restate(curatedIn, stranger, change) }, resigned, curatedIn, "record"})
	}
	return out
}

// onEnvelopes changes what is around a statement that is right.
func onEnvelopes() []attack {
	reseal := func(change func(s *scene, e envelope.Envelope) []byte) func(s *scene) {
		return func(s *scene) {
			s.remanifest(trainedIn, true, func(m *ocispec.Manifest) {
				e, err := envelope.Open(s.blob(m.Layers[0].Digest))
				if err != nil {
					s.t.Fatal(err)
				}
				text := change(s, e)
				m.Layers[0] = descriptorOf(provenance.EnvelopeType, s.put(text), len(text))
			})
		}
	}
	return []attack{
		{"envelope: signed by a stranger", reseal(func(s *scene, e envelope.Envelope) []byte { return s.seal(e, e.Payload, stranger) }), verify.RecordUntrusted, trainedIn, "record/signature"},
		{"envelope: a stranger's signature under the rebuilder's name", reseal(func(s *scene, e envelope.Envelope) []byte {
			theirs, err := envelope.Open(s.seal(e, e.Payload, stranger))
			if err != nil {
				s.t.Fatal(err)
			}
			e.Signatures[0].Sig = theirs.Signatures[0].Sig
			return s.seal(e, e.Payload, nil)
		}), verify.SignatureWrong, trainedIn, "record/signature"},
		{"envelope: cut signature", reseal(func(s *scene, e envelope.Envelope) []byte {
			e.Signatures[0].Sig = e.Signatures[0].Sig[:63]
			return s.seal(e, e.Payload, nil)
		}), verify.SignatureWrong, trainedIn, "record/signature"},
		{"envelope: payload type", reseal(func(s *scene, e envelope.Envelope) []byte {
			e.Type = "text/plain"
			return s.seal(e, e.Payload, nil)
		}), verify.RecordDiffers, trainedIn, "record/statement"},
		{"envelope: no signature", reseal(func(s *scene, e envelope.Envelope) []byte {
			e.Signatures = nil
			return s.seal(e, e.Payload, nil)
		}), verify.RecordDiffers, trainedIn, "record/statement"},
		{"envelope: a member that is not signed", reseal(func(s *scene, e envelope.Envelope) []byte {
			return bytes.Replace(s.seal(e, e.Payload, nil), []byte("{"), []byte(`{"comment":"x",`), 1)
		}), verify.RecordDiffers, trainedIn, "record/statement"},
		{"envelope: taken off", func(s *scene) {
			s.remanifest(trainedIn, true, func(m *ocispec.Manifest) {
				e, err := envelope.Open(s.blob(m.Layers[0].Digest))
				if err != nil {
					s.t.Fatal(err)
				}
				m.Layers[0] = descriptorOf(provenance.MediaType, s.put(e.Payload), len(e.Payload))
			})
		}, verify.RecordUnsigned, trainedIn, "record/signature"},
		{"envelope: an approval that somebody else has signed passed off as a record", func(s *scene) {
			s.remanifest(trainedIn, true, func(m *ocispec.Manifest) { m.Layers[0] = s.manifest(scored, true).Layers[1] })
		}, verify.RecordDiffers, trainedIn, "record/statement"},
	}
}

// onRecords exchanges and replays records.
func onRecords() []attack {
	return []attack{
		{"record: that of another step", func(s *scene) {
			s.index(func(ix *ocispec.Index) {
				a, b := s.entry(ix, fetchedIn, true), s.entry(ix, curatedIn, true)
				a.Digest, b.Digest, a.Size, b.Size = b.Digest, a.Digest, b.Size, a.Size
			})
		}, verify.RecordDiffers, fetchedIn, "record"},
		{"record: subject of its manifest", func(s *scene) {
			s.remanifest(fetchedIn, true, func(m *ocispec.Manifest) { m.Subject.Digest = digest.FromString("other") })
		}, verify.RecordDiffers, fetchedIn, "record/subject"},
		{"record: size of its subject", func(s *scene) {
			s.remanifest(fetchedIn, true, func(m *ocispec.Manifest) { m.Subject.Size++ })
		}, verify.RecordDiffers, fetchedIn, "record/subject"},
		{"record: no subject", func(s *scene) {
			s.remanifest(fetchedIn, true, func(m *ocispec.Manifest) { m.Subject = nil })
		}, verify.Malformed, fetchedIn, "record"},
		{"record: no layer", func(s *scene) {
			s.remanifest(fetchedIn, true, func(m *ocispec.Manifest) { m.Layers = nil })
		}, verify.Malformed, fetchedIn, "record"},
		{"record: a layer that it does not name", func(s *scene) {
			s.remanifest(fetchedIn, true, func(m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) })
		}, verify.RecordDiffers, fetchedIn, "record/statement"},
		{"record: the numbers left out", func(s *scene) {
			s.remanifest(scored, true, func(m *ocispec.Manifest) { m.Layers = m.Layers[:1] })
		}, verify.RecordDiffers, scored, "record/statement"},
		{"record: better numbers in place of the signed ones", renumber("predicate.metrics.0.value", 0.999), verify.RecordDiffers, scored, "record"},
		{"record: another split in place of the signed one", renumber("predicate.split.name", "train"), verify.RecordDiffers, scored, "record"},
		{"record: a weaker class in place of the signed one", renumber("predicate.determinism", "none"), verify.RecordDiffers, scored, "record"},
		{"record: gone", func(s *scene) {
			ix := s.benchmark()
			s.exchange(s.entry(&ix, scored, true).Digest, nil)
		}, verify.BlobMissing, scored, "record"},
		{"record: not listed", func(s *scene) {
			s.index(func(ix *ocispec.Index) {
				e := *s.entry(ix, scored, true)
				var left []ocispec.Descriptor
				for _, m := range ix.Manifests {
					if m.Digest != e.Digest {
						left = append(left, m)
					}
				}
				ix.Manifests = left
			})
		}, verify.RecordMissing, scored, "record"},
		{"record: one of an older run, replayed", func(s *scene) {
			s.restate(scored, stranger, func(doc map[string]any) {
				set(s.t, doc, "predicate.runDetails.metadata.finishedOn", "2020-01-01T00:00:00Z")
			})
		}, verify.RecordUntrusted, scored, "record/signature"},
	}
}

// renumber edits the statement of an evaluation, and has the record's manifest name the new one.
func renumber(path string, value any) func(s *scene) {
	return func(s *scene) {
		s.remanifest(scored, true, func(m *ocispec.Manifest) {
			s.reword(&m.Layers[1], stranger, func(doc map[string]any) { set(s.t, doc, path, value) })
		})
	}
}

// onIndex changes the benchmark artifact.
func onIndex() []attack {
	return []attack{
		{"index: size of an artifact", func(s *scene) { s.index(func(ix *ocispec.Index) { s.entry(ix, curatedIn, false).Size++ }) }, verify.Malformed, curatedIn, "benchmark"},
		{"index: an artifact left out", func(s *scene) {
			s.index(func(ix *ocispec.Index) { *s.entry(ix, curatedIn, false) = *s.entry(ix, fetchedIn, false) })
		}, verify.Malformed, curatedIn, "benchmark"},
		{"index: no documents", func(s *scene) {
			s.index(func(ix *ocispec.Index) {
				s.entry(ix, verify.DocumentsStep, false).Annotations[verify.StepKey] = "papers"
			})
		}, verify.Malformed, verify.DocumentsStep, "benchmark"},
		{"index: action of a record", func(s *scene) {
			s.index(func(ix *ocispec.Index) {
				s.entry(ix, scored, true).Annotations[verify.ActionKey] = digest.FromString("other").String()
			})
		}, verify.RecordMissing, scored, "record"},
		{"index: an artifact besides that is not here", func(s *scene) {
			s.index(func(ix *ocispec.Index) {
				e := *s.entry(ix, scored, false)
				e.Digest, e.Annotations = digest.FromString("other"), map[string]string{verify.StepKey: "extra"}
				ix.Manifests = append(ix.Manifests, e)
			})
		}, verify.BlobMissing, "extra", "manifest"},
	}
}

// onDocuments changes manifest, lock and report inside the benchmark.
func onDocuments() []attack {
	exchange := func(title, was, is string) func(s *scene) {
		return func(s *scene) {
			d := s.remanifest(verify.DocumentsStep, false, func(m *ocispec.Manifest) {
				for i, l := range m.Layers {
					if l.Annotations[ocispec.AnnotationTitle] == title {
						text := bytes.Replace(s.blob(l.Digest), []byte(was), []byte(is), 1)
						m.Layers[i].Digest, m.Layers[i].Size = s.put(text), int64(len(text))
					}
				}
			})
			s.resubject(verify.DocumentsStep, d)
		}
	}
	return []attack{
		{"documents: the manifest has another metric, signed by a stranger", exchange("benchmark.yaml", "auroc", "f1"), verify.RecordUntrusted, verify.DocumentsStep, "record/signature"},
		{"documents: the report has another number, signed by a stranger", exchange("report.json", `"value"`, `"worth"`), verify.RecordUntrusted, verify.DocumentsStep, "record/signature"},
		{"documents: lock and file edited alike, signed by a stranger", func(s *scene) {
			s.relock(func(body string) string { return strings.Replace(body, "value: 0.", "value: 1.", 1) })
			s.publish()
		}, verify.ResultDiffers, scored, "test/single/heart"},
		{"documents: the report exchanged under its name", func(s *scene) {
			for _, l := range s.manifest(verify.DocumentsStep, false).Layers {
				if l.Annotations[ocispec.AnnotationTitle] == "report.json" {
					s.exchange(l.Digest, []byte("{}"))
				}
			}
		}, verify.BlobAltered, verify.DocumentsStep, "report.json"},
		{"documents: the manifest gone", func(s *scene) {
			for _, l := range s.manifest(verify.DocumentsStep, false).Layers {
				if l.Annotations[ocispec.AnnotationTitle] == "benchmark.yaml" {
					s.exchange(l.Digest, nil)
				}
			}
		}, verify.BlobMissing, verify.DocumentsStep, "benchmark.yaml"},
	}
}

// TestAttacks: whatever is done to a rebuild by somebody who has not the key is found, with the right exit code, problem
// and place; an untouched copy passes.
func TestAttacks(t *testing.T) {
	p := prove(t)
	p.strict(t)
	if code, v := newScene(t, p).check(); code != 0 || !v.OK || v.Level != verify.Files || !v.Signed.OK || v.Ledger.Records != 4 {
		t.Fatalf("untouched: code %d, %+v", code, v)
	}
	all := attacks(t)
	if len(all) < 60 {
		t.Errorf("only %d attacks", len(all))
	}
	for _, a := range all {
		t.Run(a.name, func(t *testing.T) {
			s := newScene(t, p)
			a.do(s)
			code, v := s.check()
			want := exitDiffers
			if a.code == verify.BlobMissing || a.code == verify.RecordMissing {
				want = exitUnknown
			}
			if code != want || v.OK || v.Level == verify.Files {
				t.Errorf("code %d, level %s, OK %t; want %d", code, v.Level, v.OK, want)
			}
			for _, o := range v.Problems {
				if o.Code == a.code && o.Step == a.step && strings.HasPrefix(o.Path, a.path) {
					return
				}
			}
			t.Errorf("no %s of step %q at %q in %s", a.code, a.step, a.path, problems(v))
		})
	}
}

func problems(v verify.Verdict) string {
	var b strings.Builder
	for _, p := range v.Problems {
		fmt.Fprintf(&b, "\n  %+v", p)
	}
	return b.String()
}

// strict gives the home a policy that knows its own key, and wants a ledger.
func (p *proven) strict(t *testing.T) {
	t.Helper()
	k, err := keys.Load(keys.File(filepath.Join(p.home, "cairn")))
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.Known()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("apiVersion: cairn/v1\nkind: %s\nledger: required\nkeys:\n  rebuilder: {public: %s}\n", trust.Kind, public.Text())
	if err := os.WriteFile(filepath.Join(p.home, "cairn", trustFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
