package artifact_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// sharded is a dataset of 45 files in three shards, with a document before and one behind most of them.
type sharded struct {
	blobs
	manifest ocispec.Manifest
	layers   [][]byte
}

func newSharded(t testing.TB) *sharded {
	t.Helper()
	f := folder{"dataset.json": "{}", "samples.jsonl": "{}\n"}
	for i := range 15 {
		f[fmt.Sprintf("a/%02d", i)] = strings.Repeat("a", i)
		f[fmt.Sprintf("e/%02d.é", i)] = strings.Repeat("e", 512)
		f[fmt.Sprintf("t/%02d\n", i)] = strings.Repeat("t", 600)
	}
	b := blobs{}
	c := artifact.Contents{Open: f.open}
	for _, path := range slices.Sorted(maps.Keys(f)) {
		d := digest.FromString(f[path])
		if artifact.Document(path) {
			c.Documents = append(c.Documents, artifact.File{Path: path, Size: int64(len(f[path])), Digest: d})
			continue
		}
		sum, _ := hex.DecodeString(d.Encoded())
		c.Files, c.Sums = append(c.Files, artifact.Entry{Path: path, Size: int64(len(f[path]))}), append(c.Sums, artifact.Sum(sum))
	}
	for _, s := range []artifact.Span{{From: 0, To: 15}, {From: 15, To: 30}, {From: 30, To: 45}} {
		var shard bytes.Buffer
		err := artifact.WriteShard(&shard, c.Files[s.From:s.To], func(i int, _ int64, w io.Writer) error {
			_, err := io.WriteString(w, f[c.Files[s.From+i].Path])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d, n, _ := b.Put(t.Context(), "", &shard)
		c.Shards = append(c.Shards, artifact.Shard{Span: s, Digest: d, Size: n})
	}
	made, err := artifact.Seal(t.Context(), b, c)
	if err != nil {
		t.Fatal(err)
	}
	s := &sharded{blobs: b, manifest: open(t, b, made.Digest).Manifest}
	for _, l := range s.manifest.Layers {
		s.layers = append(s.layers, bytes.Clone(b[l.Digest]))
	}
	return s
}

// check lets the manifest and the config name the layers as they are now, and gives all that contradicts itself.
func (s *sharded) check(t testing.TB, change func(m *ocispec.Manifest)) []artifact.Fault {
	t.Helper()
	m := s.manifest
	m.Layers = slices.Clone(m.Layers)
	config := ocispec.Image{RootFS: ocispec.RootFS{Type: "layers"}}
	if err := json.Unmarshal(s.blobs[m.Config.Digest], &config); err != nil {
		t.Fatal(err)
	}
	config.RootFS.DiffIDs = nil
	for i := range m.Layers {
		m.Layers[i].Digest, m.Layers[i].Size = s.put(s.layers[i])
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, m.Layers[i].Digest)
	}
	text, err := canonical.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m.Config.Digest, m.Config.Size = s.put(text)
	if change != nil {
		change(&m)
	}
	r, err := artifact.NewReader(t.Context(), s.blobs, m)
	if err != nil {
		return []artifact.Fault{{Path: "open", Got: err.Error()}}
	}
	var faults []artifact.Fault
	report := func(f artifact.Fault) { faults = append(faults, f) }
	spans, err := r.Check(report)
	if err != nil {
		return append(faults, artifact.Fault{Path: "check", Got: err.Error()})
	}
	for i := 1; i < len(m.Layers); i++ {
		if err := r.CheckShard(bytes.NewReader(s.blobs[m.Layers[i].Digest]), spans[i], report); err != nil {
			t.Fatal(err)
		}
	}
	return faults
}

func (s *sharded) put(text []byte) (digest.Digest, int64) {
	d := digest.FromBytes(text)
	s.blobs[d] = text
	return d, int64(len(text))
}

func TestAnHonestDatasetAgreesWithItself(t *testing.T) {
	if faults := newSharded(t).check(t, nil); len(faults) > 0 {
		t.Errorf("%+v", faults)
	}
	b := blobs{}
	r := open(t, b, pack(t, b, artifact.Dataset, folder{"dataset.json": "{}"}).Digest)
	if spans, err := r.Check(func(f artifact.Fault) { t.Errorf("%+v", f) }); err != nil || len(spans) != 1 {
		t.Errorf("a document and nothing else: %v, %v", spans, err)
	}
}

// There is no byte of a dataset that could be another one.
func TestEveryByteOfADatasetIsFixed(t *testing.T) {
	s := newSharded(t)
	rounds := 0
	for _, layer := range s.layers {
		for at := 0; at < len(layer); at += 131 {
			rounds++
			layer[at] ^= 0x10
			if faults := s.check(t, nil); len(faults) == 0 {
				t.Errorf("byte %d of a layer of %d was flipped, and nothing was found", at, len(layer))
			}
			layer[at] ^= 0x10
			for d := range s.blobs {
				if d != s.manifest.Config.Digest {
					delete(s.blobs, d)
				}
			}
		}
	}
	if faults := s.check(t, nil); len(faults) > 0 || rounds < 300 {
		t.Errorf("after %d rounds: %+v", rounds, faults)
	}
}

// indexAt is where the index begins in the first layer.
func (s *sharded) indexAt() int { return bytes.Index(s.layers[0], []byte("cairn/index/v1\n\n")) }

// add changes a number of the index.
func (s *sharded) add(file, field int, by int64) {
	b := s.layers[0][s.indexAt()+24+28*file+field:]
	if field == 24 {
		binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+uint32(by))
		return
	}
	binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)+uint64(by))
}

func TestDatasetsThatLie(t *testing.T) {
	const line, size, content, layer = 0, 8, 16, 24
	grow := func(i int, more string) func(*sharded) {
		return func(s *sharded) { s.layers[i] = append(s.layers[i], more...) }
	}
	for name, c := range map[string]struct {
		change func(s *sharded)
		want   string // the path of a fault
	}{
		"where a line begins":           {func(s *sharded) { s.add(5, line, 1) }, "SHA256SUMS.index"},
		"a size":                        {func(s *sharded) { s.add(5, size, 1) }, "io.cairn-bench.root"},
		"where a file begins":           {func(s *sharded) { s.add(5, content, 1) }, "a/05"},
		"where a file begins, 512 off":  {func(s *sharded) { s.add(5, content, -512) }, "a/05"},
		"where a document begins":       {func(s *sharded) { s.add(15, content, 512) }, "dataset.json"},
		"the layer of a file":           {func(s *sharded) { s.add(5, layer, 1) }, "a/05"},
		"the layer of a file, too high": {func(s *sharded) { s.add(5, layer, 7) }, "check"},
		"the layer of a document":       {func(s *sharded) { s.add(15, layer, 1) }, "dataset.json"},
		"the layer of the first":        {func(s *sharded) { s.add(16, layer, -1) }, "e/00.é"},
		"a node":                        {func(s *sharded) { s.layers[0][s.indexAt()+24+28*47+3] ^= 1 }, "SHA256SUMS.index"},
		"the last node":                 {func(s *sharded) { s.layers[0][s.indexAt()+24+28*47+2*32+32-1] ^= 1 }, "SHA256SUMS.index"},
		"bytes behind a shard":          {grow(2, strings.Repeat("\x00", 512)), ""},
		"bytes behind the first layer":  {grow(0, strings.Repeat("\x00", 512)), ""},
		"a file behind the end":         {grow(2, string(newSharded(t).layers[1])), ""},
		"a shard cut short":             {func(s *sharded) { s.layers[2] = s.layers[2][:len(s.layers[2])-1024] }, ""},
		"a shard cut in a file":         {func(s *sharded) { s.layers[1] = s.layers[1][:5*1024-100] }, "check"},
		"two shards changed places":     {func(s *sharded) { s.layers[1], s.layers[2] = s.layers[2], s.layers[1] }, "check"},
	} {
		s := newSharded(t)
		c.change(s)
		faults := s.check(t, nil)
		if !slices.ContainsFunc(faults, func(f artifact.Fault) bool { return f.Path == c.want && f.Got != "" }) {
			t.Errorf("%s: %+v, want one of %q", name, faults, c.want)
		}
	}
}

func TestManifestsThatLie(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *ocispec.Manifest)
		want   string
	}{
		"the root": {func(m *ocispec.Manifest) {
			m.Annotations = map[string]string{artifact.RootAnnotation: digest.FromString("x").String()}
		}, artifact.RootAnnotation},
		"no root":              {func(m *ocispec.Manifest) { m.Annotations = nil }, "open"},
		"the size of a shard":  {func(m *ocispec.Manifest) { m.Layers[2].Size += 512 }, ""},
		"the first of a shard": {func(m *ocispec.Manifest) { m.Layers[2].Annotations = m.Layers[1].Annotations }, artifact.FirstAnnotation},
		"the config":           {func(m *ocispec.Manifest) { m.Config.Digest = m.Layers[0].Digest }, "config"},
		"a shard more":         {func(m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[3]) }, ""},
		"a shard less":         {func(m *ocispec.Manifest) { m.Layers = m.Layers[:3] }, "check"},
	} {
		if faults := newSharded(t).check(t, c.change); !slices.ContainsFunc(faults, func(f artifact.Fault) bool { return f.Path == c.want && f.Got != "" }) {
			t.Errorf("%s: %+v, want one of %q", name, faults, c.want)
		}
	}
}

// Of a model there is nothing to compare: each of its files is a layer.
func TestCheckIsForDatasets(t *testing.T) {
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}}
	r, err := artifact.NewReader(t.Context(), blobs{}, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Check(nil); err == nil {
		t.Error("Check of an artifact without shards gave no error")
	}
}
