package cli

import (
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// tool runs a program of others, or skips the test where it is not installed.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	c := exec.Command(path, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestOthersReadTheStore: what a rebuild leaves is read by the tools of others, as it lies.
func TestOthersReadTheStore(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	store := filepath.Join(m.home, "cairn", "store")
	for _, dataset := range []string{"small/fetch/heart", "small/curate/heart"} {
		t.Run(dataset, func(t *testing.T) {
			bundle := filepath.Join(t.TempDir(), "bundle")
			tool(t, "", "umoci", "unpack", "--rootless", "--image", store+":"+dataset, bundle)
			out := tool(t, filepath.Join(bundle, "rootfs"), "sha256sum", "--strict", "-c", "SHA256SUMS")
			if strings.Count(out, ": OK") < 2 {
				t.Errorf("sha256sum: %s", out)
			}
			tool(t, "", "skopeo", "inspect", "oci:"+store+":"+dataset)
		})
	}
}

// TestCraneValidates does what `crane validate --remote --fast` does, over a registry. Without --fast crane v0.22.1
// takes every layer for gzip, whatever its media type says.
func TestCraneValidates(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	done := object[runDocument](m, 0, "run", "benchmark.yaml")
	store, err := layout.ImageIndexFromPath(filepath.Join(m.home, "cairn", "store"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	for _, s := range done.Steps {
		if s.Kind != "fetch" && s.Kind != "curate" {
			continue
		}
		hash, err := v1.NewHash(s.Artifact.String())
		if err != nil {
			t.Fatal(err)
		}
		lying, err := store.Image(hash)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/" + s.Name + ":x")
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, lying); err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(pulled, validate.Fast); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if got, err := pulled.Digest(); err != nil || got != hash {
			t.Errorf("%s: the registry has %s, %v; want %s", s.Name, got, err, hash)
		}
	}
}

// TestRecordsAreReferrers: from an artifact, any OCI client finds its record.
func TestRecordsAreReferrers(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	done := object[runDocument](m, 0, "run", "benchmark.yaml")
	subjects := map[string]bool{}
	blobs := filepath.Join(m.home, "cairn", "store", "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(blobs, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var x ocispec.Manifest
		if json.Unmarshal(text, &x) == nil && x.Subject != nil && x.ArtifactType == "application/vnd.in-toto+json" {
			subjects[x.Subject.Digest.String()] = true
		}
	}
	for _, s := range done.Steps {
		if !subjects[s.Artifact.String()] {
			t.Errorf("no record has %s of %s as its subject", s.Artifact, s.Name)
		}
	}
}
