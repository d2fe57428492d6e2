package artifact

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ParseManifest reads the manifest of an artifact.
func ParseManifest(text []byte) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	if m.SchemaVersion != 2 || m.MediaType != ocispec.MediaTypeImageManifest {
		return m, fmt.Errorf("manifest: schema version %d, media type %q: not an OCI image manifest", m.SchemaVersion, m.MediaType)
	}
	for _, d := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		if err := d.Digest.Validate(); err != nil || d.Size < 0 {
			return m, fmt.Errorf("manifest: descriptor %q of %d bytes is not valid", d.Digest, d.Size)
		}
	}
	return m, nil
}

// Place is where a file lies: Size bytes from Offset on in a blob.
type Place struct {
	Path   string
	Blob   digest.Digest
	Offset int64
	Size   int64
}

// Whole returns the place of a file that is a layer of its own, if the layer is one.
func Whole(l ocispec.Descriptor) (Place, bool) {
	name := l.Annotations[ocispec.AnnotationTitle]
	return Place{Path: name, Blob: l.Digest, Size: l.Size}, name != ""
}

// ReadShard lists the files of a tar shard without reading their content.
func ReadShard(blob digest.Digest, r io.ReadSeeker) ([]Place, error) {
	var out []Place
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", blob, err)
		}
		if h.Typeflag != tar.TypeReg || h.Name != path.Clean(h.Name) || strings.HasPrefix(h.Name, "/") || strings.HasPrefix(h.Name, "../") {
			return nil, fmt.Errorf("shard %s: %q is not a plain file at a clean relative path", blob, h.Name)
		}
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", blob, err)
		}
		out = append(out, Place{Path: h.Name, Blob: blob, Offset: at, Size: h.Size})
	}
}

// ParseSums reads SHA256SUMS as Sums writes it.
func ParseSums(text []byte) (map[string]digest.Digest, error) {
	out := map[string]digest.Digest{}
	unescape := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if line == "" && n == 0 {
			break
		}
		rest, escaped := strings.CutPrefix(line, `\`)
		sum, name, ok := strings.Cut(rest, "  ")
		d := digest.NewDigestFromEncoded(digest.SHA256, sum)
		if !ok || d.Validate() != nil {
			return nil, fmt.Errorf("SHA256SUMS:%d: want a sha256 sum, two blanks and a name", n+1)
		}
		if escaped {
			name = unescape.Replace(name)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("SHA256SUMS:%d: %q is there twice", n+1, name)
		}
		out[name] = d
	}
	return out, nil
}
