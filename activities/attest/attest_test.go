package attest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
)

var (
	work = action.Action{Schema: action.Schema, Plugin: action.Plugin{Kind: "curate", Name: "ecg", Version: "2"}, Params: []byte(`{"rate":100}`),
		Inputs: []action.Input{{Name: "raw", Artifact: digest.FromString("raw")}}, Seed: "7"}
	made = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("made"), Size: 4}
	how  = provenance.Execution{Step: "curate/x", Invocation: "run-1", Builder: provenance.Builder{ID: "https://example.org/b", Version: map[string]string{"cairn": "1"}},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Finished: time.Date(2026, 1, 2, 3, 4, 9, 0, time.UTC)}
)

// key is that of these tests: the same for all of them, as the same statement then has the same record.
var key = func() keys.Key {
	k, err := keys.New()
	if err != nil {
		panic(err)
	}
	return k
}()

func layout(t *testing.T) *cas.Layout {
	t.Helper()
	l, err := cas.OpenLayout(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, s cas.Store) digest.Digest {
	t.Helper()
	record, err := attest.Write(t.Context(), s, key, work, made, how)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func manifest(t *testing.T, s cas.Store, record digest.Digest) ocispec.Manifest {
	t.Helper()
	text, err := cas.ReadAll(t.Context(), s, record, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	s := layout(t)
	record := write(t, s)
	st, err := attest.Read(t.Context(), s, record)
	if err != nil {
		t.Fatal(err)
	}
	id, err := work.ID()
	if err != nil {
		t.Fatal(err)
	}
	want := provenance.RunDetails{Builder: how.Builder, Metadata: provenance.Metadata{InvocationID: "run-1", StartedOn: how.Started.Truncate(time.Millisecond), FinishedOn: how.Finished}}
	if diff := cmp.Diff(want, st.Predicate.RunDetails); diff != "" {
		t.Errorf("run details (-want +got):\n%s", diff)
	}
	p := st.Predicate.BuildDefinition.ExternalParameters
	if diff := cmp.Diff(work, p.Action); diff != "" || p.ID != id || st.Artifact() != made.Digest || st.Subject[0].Name != "curate/x" {
		t.Errorf("subject %v, action %s (-want +got):\n%s", st.Subject, p.ID, diff)
	}
	public, err := key.Known()
	if err != nil {
		t.Fatal(err)
	}
	policy := trust.Known("test", trust.Key{Name: "me", Public: public})
	if j := policy.Judge("curate", how.Finished, *st.Envelope); !j.OK() || len(j.By) != 1 {
		t.Errorf("signed by %+v", j)
	}
	if again := write(t, s); again != record {
		t.Errorf("the same statement has records %s and %s", record, again)
	}
}

// TestReferrer: by the OCI rules a registry lists the record among what refers to the artifact.
func TestReferrer(t *testing.T) {
	s := layout(t)
	m := manifest(t, s, write(t, s))
	if diff := cmp.Diff(&made, m.Subject); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	if m.ArtifactType != provenance.MediaType || m.MediaType != ocispec.MediaTypeImageManifest || m.Config.MediaType != ocispec.MediaTypeEmptyJSON || len(m.Layers) != 1 {
		t.Errorf("manifest is %+v", m)
	}
	for _, d := range append(m.Layers, m.Config) {
		if size, err := s.Stat(t.Context(), d.Digest); err != nil || size != d.Size {
			t.Errorf("%s %s: %d bytes, %v; want %d", d.MediaType, d.Digest, size, err, d.Size)
		}
	}
}

// TestTamperedBlob: a changed byte of the manifest or of the statement is never read as a record.
func TestTamperedBlob(t *testing.T) {
	s := layout(t)
	record := write(t, s)
	for _, id := range []digest.Digest{record, manifest(t, s, record).Layers[0].Digest} {
		text, err := os.ReadFile(s.Path(id))
		if err != nil {
			t.Fatal(err)
		}
		bad := []byte(strings.ReplaceAll(string(text), "2", "3"))
		if err := os.Chmod(s.Path(id), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, harm := range map[string]func() error{
			"changed": func() error { return os.WriteFile(s.Path(id), bad, 0o600) },
			"cut":     func() error { return os.WriteFile(s.Path(id), text[:len(text)-1], 0o600) },
			"gone":    func() error { return os.Remove(s.Path(id)) },
		} {
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			if st, err := attest.Read(t.Context(), s, record); err == nil || !strings.Contains(err.Error(), record.String()) {
				t.Errorf("%s %s: read %+v, %v; want an error that names the record", name, id, st, err)
			}
			if err := os.WriteFile(s.Path(id), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := attest.Read(t.Context(), s, record); err != nil {
		t.Errorf("the mended record: %v", err)
	}
}

// TestForgedRecord: blobs with right digests that do not make a record.
func TestForgedRecord(t *testing.T) {
	s := layout(t)
	m := manifest(t, s, write(t, s))
	put := func(v any) digest.Digest {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d, err := cas.PutBytes(t.Context(), s, text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	other := m
	other.Subject = &ocispec.Descriptor{MediaType: made.MediaType, Digest: digest.FromString("other"), Size: 5}
	none := m
	none.Subject = nil
	two := m
	two.Layers = append(two.Layers, m.Config)
	foreign := m
	foreign.Layers = []ocispec.Descriptor{m.Config}
	sealed := func(kind, payload string) ocispec.Manifest {
		text, err := envelope.Sign(t.Context(), kind, []byte(payload), key)
		if err != nil {
			t.Fatal(err)
		}
		d, err := cas.PutBytes(t.Context(), s, text)
		if err != nil {
			t.Fatal(err)
		}
		x := m
		x.Layers = []ocispec.Descriptor{{MediaType: provenance.EnvelopeType, Digest: d, Size: int64(len(text))}}
		return x
	}
	for _, c := range []struct {
		name, want string
		record     digest.Digest
	}{
		{"of another artifact", "its subject is not the artifact", put(other)},
		{"of no artifact", "its subject is not the artifact", put(none)},
		{"of two statements", "beside the statement its layers are", put(two)},
		{"of another document", "canonical ones of a DSSE envelope", put(foreign)},
		{"of no statement", "its payload is a \"text/plain\"", put(sealed("text/plain", "x"))},
		{"signed, of another statement", "not a record of an action", put(sealed(provenance.MediaType, "{}"))},
		{"no manifest", "not a manifest with a layer", put("text")},
		{"not there", "blob", digest.FromString("nothing")},
	} {
		if st, err := attest.Read(t.Context(), s, c.record); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.record.String()) {
			t.Errorf("%s: read %+v, %v; want %q and the record's digest", c.name, st, err, c.want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	bad := work
	bad.Plugin.Name = ""
	if d, err := attest.Write(t.Context(), layout(t), key, bad, made, how); err == nil {
		t.Errorf("a record of an action without a plugin was written: %s", d)
	}
	full := layout(t)
	if err := os.RemoveAll(full.Dir()); err != nil {
		t.Fatal(err)
	}
	if d, err := attest.Write(t.Context(), full, key, work, made, how); err == nil {
		t.Errorf("a record was written into a store that is gone: %s", d)
	}
}
