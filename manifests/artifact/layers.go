package artifact

import (
	"fmt"
	"path"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Types of models, as github.com/modelpack/model-spec names them.
const (
	ModelType         = "application/vnd.cncf.model.manifest.v1+json"
	ModelConfig       = "application/vnd.cncf.model.config.v1+json"
	ModelWeights      = "application/vnd.cncf.model.weight.v1.raw"
	ModelWeightConfig = "application/vnd.cncf.model.weight.config.v1.raw"
	ModelDocument     = "application/vnd.cncf.model.doc.v1.raw"
	modelPath         = "org.cncf.model.filepath"
)

// EvaluationType is the artifact type of an evaluation.
const EvaluationType = "application/vnd.cairn.evaluation.v1+json"

// modelSpec is the config of a ModelPack artifact; it is required to have these members and no others.
type modelSpec struct {
	Descriptor struct {
		Name string `json:"name"`
	} `json:"descriptor"`
	Config struct {
		Format string `json:"format"`
	} `json:"config"`
	ModelFS struct {
		Type    string          `json:"type"`
		DiffIDs []digest.Digest `json:"diffIds"`
	} `json:"modelfs"`
}

func (p *packer) model() (ocispec.Manifest, error) {
	m := ocispec.Manifest{ArtifactType: ModelType}
	var spec modelSpec
	spec.Descriptor.Name, spec.Config.Format, spec.ModelFS.Type = "cairn-model", "safetensors", "layers"
	for _, f := range p.files {
		l, err := p.layer(f, modelLayer(f.Path))
		if err != nil {
			return m, err
		}
		l.Annotations[modelPath] = f.Path
		m.Layers = append(m.Layers, l)
		spec.ModelFS.DiffIDs = append(spec.ModelFS.DiffIDs, l.Digest)
	}
	var err error
	m.Config, err = p.document(ModelConfig, spec)
	return m, err
}

func modelLayer(name string) string {
	switch {
	case path.Ext(name) == path.Ext(document.WeightsFile):
		return ModelWeights
	case name == document.ModelFile:
		return ModelWeightConfig
	}
	return ModelDocument
}

func (p *packer) evaluation() (ocispec.Manifest, error) {
	m := ocispec.Manifest{ArtifactType: EvaluationType}
	for _, f := range p.files {
		l, err := p.layer(f, evaluationLayer(f.Path))
		if err != nil {
			return m, err
		}
		m.Layers = append(m.Layers, l)
	}
	var err error
	m.Config, err = p.document(ocispec.MediaTypeEmptyJSON, struct{}{})
	return m, err
}

func evaluationLayer(name string) string {
	switch path.Ext(name) {
	case ".json":
		return "application/json"
	case ".jsonl":
		return "application/jsonl"
	}
	return "application/octet-stream"
}

// layer keeps one file as a blob of its own.
func (p *packer) layer(f File, mediaType string) (ocispec.Descriptor, error) {
	r, err := p.open(f.Path)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer r.Close()
	d, n, err := p.sink.Put(p.ctx, f.Digest, r)
	switch {
	case err != nil:
		return ocispec.Descriptor{}, fmt.Errorf("%s: %w", f.Path, err)
	case n != f.Size:
		return ocispec.Descriptor{}, fmt.Errorf("%s has %d bytes, want %d", f.Path, n, f.Size)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: n, Annotations: map[string]string{ocispec.AnnotationTitle: f.Path}}, nil
}
