package cas_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
)

// content of an artifact, one path longer than plain tar can hold.
func content() map[string]string {
	return map[string]string{
		"dataset.json": "{}", "train/a.npy": rand.Text(), "train/b.npy": "", "test/é.txt": "c",
		strings.Repeat("long/", 60) + "d.npy": "d",
	}
}

func tagged(t *testing.T, kind artifact.Kind, content map[string]string) (*cas.Layout, ocispec.Descriptor) {
	t.Helper()
	l := openLayout(t, t.TempDir())
	var files []artifact.File
	for p, text := range content {
		files = append(files, artifact.File{Path: p, Size: int64(len(text)), Digest: digest.FromString(text)})
	}
	d, err := artifact.Pack(t.Context(), l, kind, files, func(p string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content[p])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tag(t.Context(), map[string]ocispec.Descriptor{"demo": d}); err != nil {
		t.Fatal(err)
	}
	return l, d
}

func TestOthersReadTheLayout(t *testing.T) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		t.Run(string(kind), func(t *testing.T) {
			l, d := tagged(t, kind, content())
			ix, err := layout.ImageIndexFromPath(l.Dir())
			if err != nil {
				t.Fatal(err)
			}
			img, err := ix.Image(v1.Hash{Algorithm: "sha256", Hex: d.Digest.Encoded()})
			if err != nil {
				t.Fatal(err)
			}
			if kind == artifact.Dataset { // the others are artifacts: validate asks for an image config
				// Fast: without it, validate (v0.22.1) takes every layer for gzip. Layers are read below.
				if err := validate.Image(img, validate.Fast); err != nil {
					t.Error(err)
				}
			}
			m, err := img.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range m.Layers {
				layer, err := img.LayerByDigest(want.Digest)
				if err != nil {
					t.Fatal(err)
				}
				wantLayer(t, layer, want)
			}
		})
	}
}

func wantLayer(t *testing.T, layer v1.Layer, want v1.Descriptor) {
	t.Helper()
	for _, open := range []func() (io.ReadCloser, error){layer.Compressed, layer.Uncompressed} {
		r, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, err := digest.FromReader(r)
		if err != nil || got.Encoded() != want.Digest.Hex {
			t.Errorf("layer %s has bytes of %s, %v", want.Digest, got, err)
		}
	}
}

func tool(t *testing.T, name string) func(args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return func(args ...string) {
		t.Helper()
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
}

func TestUmociUnpacksADataset(t *testing.T) {
	umoci := tool(t, "umoci")
	want := content()
	l, _ := tagged(t, artifact.Dataset, want)
	bundle := filepath.Join(t.TempDir(), "bundle")
	umoci("unpack", "--rootless", "--image", l.Dir()+":demo", bundle)
	for p, text := range want {
		got, err := os.ReadFile(filepath.Join(bundle, "rootfs", filepath.FromSlash(p)))
		if err != nil || string(got) != text {
			t.Errorf("%s = %q, %v; want %q", p, got, err, text)
		}
	}
}

func TestSkopeoCopiesEveryKind(t *testing.T) {
	skopeo := tool(t, "skopeo")
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		l, d := tagged(t, kind, content())
		to := openLayout(t, t.TempDir())
		skopeo("--insecure-policy", "copy", "--preserve-digests", fmt.Sprintf("oci:%s:demo", l.Dir()), fmt.Sprintf("oci:%s:demo", to.Dir()))
		want, err := artifact.Blobs(t.Context(), l, d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range want {
			if _, err := cas.ReadAll(t.Context(), to, b.Digest, 1<<20); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}
