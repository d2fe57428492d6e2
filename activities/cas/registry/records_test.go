package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// together puts an index of manifests into a store.
func together(t *testing.T, s cas.Store, all ...digest.Digest) digest.Digest {
	t.Helper()
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, d := range all {
		size, err := s.Stat(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		ix.Manifests = append(ix.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size})
	}
	text, err := json.Marshal(ix)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cas.PutBytes(t.Context(), s, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRecordsCopy: what may not leave does not, everything else arrives under its own digest, and the data that come later by another way
// make it whole.
func TestRecordsCopy(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, here := registrytest.Start(t, kind), layout(t)
		free := pack(t, here, map[string]string{"metrics.json": "open numbers", "predictions.jsonl": "open"})
		closed := pack(t, here, map[string]string{"metrics.json": "closed numbers", "predictions.jsonl": "SECRET"})
		records := []digest.Digest{record(t, here, free, "open was made"), record(t, here, closed, "closed was made")}
		bench := together(t, here, free.Digest, closed.Digest, records[0], records[1])
		secret := digest.FromString("SECRET")
		repo := open(t, "oci://"+server.Addr+"/x", registry.Options{Pause: noPause})
		out, err := repo.PushRecords(t.Context(), here, bench, "v1", map[digest.Digest]bool{secret: true})
		if err != nil || out.Digest != bench || len(out.LeftOut) != 1 || out.LeftOut[0].Digest != secret {
			t.Fatalf("push: %+v, %v", out, err)
		}
		if again, err := repo.PushRecords(t.Context(), here, bench, "v1", map[digest.Digest]bool{secret: true}); err != nil || again.Sent != 0 {
			t.Errorf("push again: %+v, %v", again, err)
		}
		if _, err := repo.Stat(t.Context(), secret); !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("the registry has what was to stay: %v", err)
		}
		wantReferrers(t, repo, closed.Digest, records[1:])

		there := layout(t)
		got, err := repo.Pull(t.Context(), "v1", there, registry.Paths{})
		if err != nil || got.Digest != bench || got.Root.Digest != bench || got.LeftOut != 1 || len(got.Lists) != 4 {
			t.Fatalf("pull: %+v, %v", got, err)
		}
		for _, d := range append(records, bench, free.Digest, closed.Digest, digest.FromString("open"), digest.FromString("closed numbers"), digest.FromString("closed was made")) {
			was, err := cas.ReadAll(t.Context(), here, d, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if is, err := cas.ReadAll(t.Context(), there, d, 1<<20); err != nil || !bytes.Equal(is, was) {
				t.Errorf("%s: %q, %v, want %q", d, is, err, was)
			}
		}
		if _, err := there.Stat(t.Context(), secret); !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("what was to stay has come: %v", err)
		}
		if _, err := repo.Push(t.Context(), here, bench, "whole"); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Pull(t.Context(), "whole", there, registry.Paths{}); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Stat(t.Context(), secret); err != nil {
			t.Errorf("it is not whole: %v", err)
		}
	})
}

// TestRecordsOfOne: a single artifact can go without its data, too.
func TestRecordsOfOne(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, here, there := registrytest.Start(t, kind), layout(t), layout(t)
		closed := pack(t, here, map[string]string{"metrics.json": "numbers", "predictions.jsonl": "SECRET"})
		made := record(t, here, closed, "it was made")
		repo := open(t, "oci://"+server.Addr+"/x", registry.Options{Pause: noPause})
		if _, err := repo.PushRecords(t.Context(), here, closed.Digest, "v1", map[digest.Digest]bool{digest.FromString("SECRET"): true}, made); err != nil {
			t.Fatal(err)
		}
		nested := together(t, here, together(t, here, closed.Digest))
		if _, err := repo.PushRecords(t.Context(), here, nested, "nested", map[digest.Digest]bool{digest.FromString("SECRET"): true}); err != nil {
			t.Errorf("an index in an index: %v", err)
		}
		got, err := repo.Pull(t.Context(), "v1", there, registry.Paths{})
		if err != nil || got.Root.Digest != closed.Digest || got.Root.MediaType != ocispec.MediaTypeImageManifest || got.LeftOut != 1 || got.Lists != nil {
			t.Fatalf("pull: %+v, %v", got, err)
		}
		for _, d := range []digest.Digest{closed.Digest, made, digest.FromString("numbers")} {
			if _, err := there.Stat(t.Context(), d); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestStatedLater: what was stated of an index after it was made comes with it.
func TestStatedLater(t *testing.T) {
	eachKind(t, func(t *testing.T, kind registrytest.Kind) {
		server, here, there := registrytest.Start(t, kind), layout(t), layout(t)
		bench := together(t, here, pack(t, here, map[string]string{"metrics.json": "numbers"}).Digest)
		size, err := here.Stat(t.Context(), bench)
		if err != nil {
			t.Fatal(err)
		}
		later := record(t, here, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: bench, Size: size}, "somebody did it all the same")
		repo := open(t, "oci://"+server.Addr+"/x", registry.Options{})
		if _, err := repo.Push(t.Context(), here, bench, "v1", later); err != nil {
			t.Fatal(err)
		}
		if found, err := repo.Referrers(t.Context(), bench, provenance.MediaType); err != nil || len(found) != 1 || found[0].Digest != later {
			t.Errorf("referrers %+v, %v", found, err)
		}
		got, err := repo.Pull(t.Context(), "v1", there, registry.Paths{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]digest.Digest{later}, got.Stated); diff != "" {
			t.Errorf("stated of it (-want +got):\n%s", diff)
		}
		if _, err := there.Stat(t.Context(), later); err != nil {
			t.Error(err)
		}
	})
}
