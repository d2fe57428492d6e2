package verify_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// graveyard is a store that names one tombstone, for whatever artifact it is asked.
type graveyard struct {
	*store
	tombstone digest.Digest
}

func (g graveyard) Tombstone(context.Context, digest.Digest) (digest.Digest, error) {
	return g.tombstone, nil
}

// bury leaves a tombstone of an artifact that says that blobs were removed.
func (e *evidence) bury(subject ocispec.Descriptor, removed ...digest.Digest) digest.Digest {
	e.t.Helper()
	slices.Sort(removed)
	put := func(text []byte) ocispec.Descriptor {
		return ocispec.Descriptor{Digest: e.put(text), Size: int64(len(text))}
	}
	list := put(provenance.RemovedList(removed))
	text, err := provenance.NewTombstone("fetch/ecg", subject.Digest, provenance.Deletion{Reason: "consent was withdrawn", By: "data office",
		On: time.Unix(1, 0), Removed: provenance.Removed{Blobs: len(removed), List: list.Digest}})
	if err != nil {
		e.t.Fatal(err)
	}
	text, err = provenance.TombstoneManifest(subject, put(text), list, put([]byte("{}")))
	if err != nil {
		e.t.Fatal(err)
	}
	return e.put(text)
}

// TestDeleted: a blob that a tombstone of its artifact lists was deleted; whatever else a tombstone says, the blob
// is missing.
func TestDeleted(t *testing.T) {
	for _, c := range []struct {
		name string
		bury func(e *evidence, made ocispec.Descriptor, layer digest.Digest) digest.Digest
		want string
	}{
		{"listed", func(e *evidence, made ocispec.Descriptor, layer digest.Digest) digest.Digest {
			return e.bury(made, layer)
		}, verify.BlobDeleted},
		{"not listed", func(e *evidence, made ocispec.Descriptor, _ digest.Digest) digest.Digest {
			return e.bury(made, digest.FromString("other"))
		}, verify.BlobMissing},
		{"of another artifact", func(e *evidence, _ ocispec.Descriptor, layer digest.Digest) digest.Digest {
			return e.bury(e.kinds["fetch/xray"], layer)
		}, verify.BlobMissing},
		{"altered", func(e *evidence, made ocispec.Descriptor, layer digest.Digest) digest.Digest {
			d := e.bury(made, layer)
			e.blobs[d] = []byte(strings.Replace(string(e.blobs[d]), "schemaVersion", "schemaversion", 1))
			return d
		}, verify.BlobMissing},
		{"gone itself", func(*evidence, ocispec.Descriptor, digest.Digest) digest.Digest { return digest.FromString("gone") }, verify.BlobMissing},
		{"none", func(*evidence, ocispec.Descriptor, digest.Digest) digest.Digest { return "" }, verify.BlobMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := rebuild(t, bench(), nil)
			made := e.kinds["fetch/ecg"]
			layer := e.manifestOf(made.Digest).Layers[0].Digest
			yard := graveyard{e.store, c.bury(e, made, layer)}
			delete(e.blobs, layer)
			for level, want := range map[string]string{verify.Records: "", verify.Bytes: c.want} {
				v, err := verify.Lock(t.Context(), "benchmark.lock", e.text(), yard, policy(1), level)
				if err != nil {
					t.Fatal(err)
				}
				if codes(v) != want || v.Level != verify.Records {
					t.Errorf("level %s: %q at level %s, want %q at level records", level, codes(v), v.Level, want)
				}
				if want == verify.BlobDeleted && !strings.Contains(v.Problems[0].Got, "deleted on 1970-01-01 by data office: consent was withdrawn (tombstone "+yard.tombstone.String()) {
					t.Errorf("it says %q", v.Problems[0].Got)
				}
			}
		})
	}
}
