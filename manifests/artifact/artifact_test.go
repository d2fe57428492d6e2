package artifact_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// The digests of what is packed must not change by accident: they stand in locks.
func TestPackGolden(t *testing.T) {
	model := folder{"model.safetensors": "weights", "model.json": "{}", "curve.json": "{}", "README.md": "# Model\n"}
	evaluation := folder{"predictions.jsonl": "{}\n", "metrics.json": "{}"}
	for _, c := range []struct {
		kind artifact.Kind
		f    folder
		want digest.Digest
	}{
		{artifact.Dataset, small(), "sha256:fcfde723dd2bf3552180e02469cf641cb1637ccd926b7b74a1ddce9511357e12"},
		{artifact.Model, model, "sha256:85a2f3b54a5ec1330be2735fc0488bff0442f847e3517750335d749aa204aea4"},
		{artifact.Evaluation, evaluation, "sha256:fec15b21d1778a45159b7e4ee09165108061481ba74b67b287999142543bbdf5"},
	} {
		for range 5 { // files come out of a map: another order each time
			if got := pack(t, blobs{}, c.kind, c.f).Digest; got != c.want {
				t.Errorf("%s is %s, want %s", c.kind, got, c.want)
			}
		}
	}
}

// tarFile is all that a tar says of a file.
type tarFile struct {
	Name     string
	Mode     int64
	Uid, Gid int
	Owner    string
	Seconds  int64
	Format   tar.Format
}

func TestDatasetIsAnImage(t *testing.T) {
	b := blobs{}
	var m ocispec.Manifest
	var c ocispec.Image
	decode(t, b[pack(t, b, artifact.Dataset, small()).Digest], &m)
	decode(t, b[m.Config.Digest], &c)
	if m.ArtifactType != "" || m.Config.MediaType != ocispec.MediaTypeImageConfig || c.Architecture != "amd64" || c.OS != "linux" {
		t.Errorf("manifest %+v with config %+v is no image", m, c)
	}
	if diff := cmp.Diff([]digest.Digest{m.Layers[0].Digest, m.Layers[1].Digest}, c.RootFS.DiffIDs); diff != "" {
		t.Errorf("diff ids:\n%s", diff)
	}
	if want := artifact.MerkleRoot(small().files()).String(); m.Annotations[artifact.RootAnnotation] != want {
		t.Errorf("annotations %v, want root %s", m.Annotations, want)
	}
	plain := func(name string) tarFile { return tarFile{Name: name, Mode: 0o644, Format: tar.FormatUSTAR} }
	pax := func(name string) tarFile { return tarFile{Name: name, Mode: 0o644, Format: tar.FormatPAX} }
	want := [][]tarFile{
		{plain("SHA256SUMS"), plain("SHA256SUMS.index"), plain("curation.json"), plain("dataset.json"), plain("samples.jsonl")},
		{plain("test/b.npy"), plain("test/odd\\\nname"), plain("train/a.json"), plain("train/a.npy"), plain("train/empty.bytes"), pax("train/é.npy")},
	}
	var got [][]tarFile
	for _, l := range m.Layers {
		got = append(got, list(t, b[l.Digest]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, text []byte) []tarFile {
	t.Helper()
	var out []tarFile
	r := tar.NewReader(bytes.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tarFile{h.Name, h.Mode, h.Uid, h.Gid, h.Uname + h.Gname, h.ModTime.Unix(), h.Format})
	}
}

func TestModelIsModelPack(t *testing.T) {
	b := blobs{}
	f := folder{"model.safetensors": "weights", "model.json": "{}", "README.md": "# Model\n"}
	var m ocispec.Manifest
	decode(t, b[pack(t, b, artifact.Model, f).Digest], &m)
	got := map[string]string{}
	for _, l := range m.Layers {
		got[l.Annotations["org.cncf.model.filepath"]] = l.MediaType
	}
	want := map[string]string{
		"model.safetensors": "application/vnd.cncf.model.weight.v1.raw",
		"model.json":        "application/vnd.cncf.model.weight.config.v1.raw",
		"README.md":         "application/vnd.cncf.model.doc.v1.raw",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	if m.ArtifactType != "application/vnd.cncf.model.manifest.v1+json" || m.Config.MediaType != "application/vnd.cncf.model.config.v1+json" {
		t.Errorf("types are %s and %s", m.ArtifactType, m.Config.MediaType)
	}
	config := `{"config":{"format":"safetensors"},"descriptor":{"name":"cairn-model"},"modelfs":{"diffIds":["` +
		string(digest.FromString("# Model\n")) + `","` + string(digest.FromString("{}")) + `","` + string(digest.FromString("weights")) + `"],"type":"layers"}}`
	if got := string(b[m.Config.Digest]); got != config {
		t.Errorf("config is\n%s\nwant\n%s", got, config)
	}
}

func TestBlobsNamesAllThatIsNeeded(t *testing.T) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		b := blobs{}
		root := pack(t, b, kind, small())
		got, err := artifact.Blobs(t.Context(), b, root.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Digest != root.Digest || got[0].Size != root.Size || got[0].ArtifactType != root.ArtifactType {
			t.Errorf("%s: first is %+v, want the manifest", kind, got[0])
		}
		named := map[digest.Digest]bool{}
		for _, d := range got {
			named[d.Digest] = true
			if int64(len(b[d.Digest])) != d.Size {
				t.Errorf("%s: %s has %d bytes, said %d", kind, d.Digest, len(b[d.Digest]), d.Size)
			}
		}
		for d := range b {
			if !named[d] {
				t.Errorf("%s: blob %s is not named", kind, d)
			}
		}
	}
}

func TestPackRefuses(t *testing.T) {
	file := func(p string) artifact.File { return artifact.File{Path: p, Digest: digest.FromString("")} }
	for _, c := range []struct {
		name, want string
		kind       artifact.Kind
		files      []artifact.File
	}{
		{"nothing", "no file", artifact.Dataset, nil},
		{"an unknown kind", "no such kind", "image", []artifact.File{file("a")}},
		{"a path that climbs", "clean relative path", artifact.Model, []artifact.File{file("../a")}},
		{"an absolute path", "clean relative path", artifact.Model, []artifact.File{file("/a")}},
		{"a NUL", "clean relative path", artifact.Model, []artifact.File{file("a\x00")}},
		{"a file twice", "a is there twice", artifact.Model, []artifact.File{file("a"), file("a")}},
		{"a file that is a folder", "a is both a file and a folder", artifact.Model, []artifact.File{file("a"), file("a-b"), file("a/b/c")}},
		{"a negative size", "size -1", artifact.Model, []artifact.File{{Path: "a", Size: -1, Digest: digest.FromString("")}}},
		{"no digest", "digest", artifact.Model, []artifact.File{{Path: "a"}}},
		{"a taken name", "the name SHA256SUMS is taken", artifact.Dataset, []artifact.File{file("SHA256SUMS")}},
		{"changed content", "changed while it was packed", artifact.Dataset, []artifact.File{{Path: "a", Digest: digest.FromString("x")}}},
		{"shorter content", "a", artifact.Dataset, []artifact.File{{Path: "a", Size: 5, Digest: digest.FromString("")}}},
		{"shorter content of a layer", "a has 0 bytes, want 5", artifact.Model, []artifact.File{{Path: "a", Size: 5, Digest: digest.FromString("")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			empty := func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
			_, err := artifact.Pack(t.Context(), blobs{}, c.kind, c.files, empty)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Pack = %v; want an error with %q", err, c.want)
			}
		})
	}
}

func TestPackReportsASinkThatFails(t *testing.T) {
	if _, err := artifact.Pack(t.Context(), fullSink{}, artifact.Dataset, small().files(), small().open); !errors.Is(err, errFull) {
		t.Errorf("Pack = %v, want %v", err, errFull)
	}
}

func TestMerkleRootVectors(t *testing.T) {
	empty := digest.FromString("")
	abc := []artifact.File{{Path: "c", Digest: empty}, {Path: "a", Digest: empty}, {Path: "b", Digest: empty}}
	for _, c := range []struct {
		files []artifact.File
		want  digest.Digest
	}{
		{nil, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{abc[1:2], "sha256:baeee32f1a769a05a5d81bd78732011fc66e7b68dbcd07c992b2b28e4e3a819a"},
		{abc, "sha256:908971747678d08152aa1db309a7ded0b1b4d757c1f238d1e0a5cda1fb9fa2a2"},
	} {
		if got := artifact.MerkleRoot(c.files); got != c.want {
			t.Errorf("root of %d files is %s, want %s", len(c.files), got, c.want)
		}
	}
}

// sha256sum itself is the judge of SHA256SUMS.
func TestSumsAreWhatSha256sumReads(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	dir := t.TempDir()
	f := small()
	for p, text := range f {
		write(t, filepath.Join(dir, filepath.FromSlash(p)), text)
	}
	cmd := exec.Command(tool, "--check", "--strict", "--quiet", "-")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(artifact.Sums(f.files()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add(artifact.Sums(small().files()))
	f.Add([]byte("\n"))
	f.Add([]byte("\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\n\\\\\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := artifact.ParseSums(text)
		if err != nil {
			return
		}
		var files []artifact.File
		for p, d := range sums {
			files = append(files, artifact.File{Path: p, Digest: d})
		}
		again, err := artifact.ParseSums(artifact.Sums(files))
		if err != nil || !cmp.Equal(sums, again) {
			t.Errorf("%q: %v, then %v, %v", text, sums, again, err)
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	b := blobs{}
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		d, err := artifact.Pack(f.Context(), b, kind, small().files(), small().open)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[d.Digest])
	}
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[{"size":-1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := artifact.ParseManifest(text)
		if err != nil {
			return
		}
		parts, err := artifact.Parts(text)
		if err != nil || len(parts) != 1+len(m.Layers) {
			t.Fatalf("parts are %+v, %v, of %+v", parts, err, m)
		}
		for i, l := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
			if l.Digest.Validate() != nil || l.Size < 0 || parts[i] != (artifact.Part{Digest: l.Digest, Size: l.Size}) {
				t.Errorf("accepted descriptor %+v, part %+v", l, parts[i])
			}
		}
	})
}
