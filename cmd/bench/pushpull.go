package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layers is how many there are beside the small first one.
const layers = 8

var transferSizes = map[string]int{"tiny": 128, "small": 512, "full": 1024}

const transferNotes = `The image is what Cairn makes of eight files of noise: eight layers, uncompressed, and a small first one. The registry
is distribution's own (cmd/registry of v3, with a folder as storage) on this machine, a fresh one for each push. The peers
are told to leave the layers as they are.`

var push = workload{
	name: "push", title: "push %d MiB in 8 layers to a local registry", unit: "MiB",
	sizes:   transferSizes,
	prepare: buildImage,
	sides: []side{
		{name: cairn, version: hasVerb("push"), work: pushing(`CAIRN_HOME="$INPUT/home" cairn push "$(cat "$INPUT/id")" "oci://$REGISTRY/cairn:v1"`)},
		{name: "crane", version: "crane version", work: pushing(`crane push "$INPUT/layout" "$REGISTRY/crane:v1"`)},
		{name: "oras", version: `oras version | awk '{print $2; exit}'`, work: pushing(`oras cp --from-oci-layout "$INPUT/layout:v1" --to-plain-http "$REGISTRY/oras:v1"`)},
		{name: "skopeo", version: "skopeo --version", work: pushing(
			`skopeo copy -q --insecure-policy --preserve-digests --dest-tls-verify=false "oci:$INPUT/layout:v1" "docker://$REGISTRY/skopeo:v1"`)},
	},
	goals: []goal{{text: "no slower than the fastest", limit: 1, have: ratio(fastest, "crane", "oras", "skopeo")}},
	notes: transferNotes,
}

var pull = workload{
	name: "pull", title: "pull %d MiB in 8 layers from a local registry", unit: "MiB",
	sizes:   transferSizes,
	prepare: buildImageInRegistry,
	sides: []side{
		{name: cairn, version: hasVerb("pull"), work: pulling(`cairn pull "oci://$REGISTRY/image:v1"`, "home/store")},
		{name: "crane", version: "crane version", work: pulling(`crane pull --format oci "$REGISTRY/image:v1" layout`, "layout")},
		{name: "oras", version: `oras version | awk '{print $2; exit}'`, work: pulling(`oras cp --from-plain-http "$REGISTRY/image:v1" --to-oci-layout layout:v1`, "layout")},
		{name: "skopeo", version: "skopeo --version", work: pulling(
			`skopeo copy -q --insecure-policy --preserve-digests --src-tls-verify=false "docker://$REGISTRY/image:v1" oci:layout:v1`, "layout")},
	},
	goals: []goal{{text: "no slower than the fastest", limit: 1, have: ratio(fastest, "crane", "oras", "skopeo")}},
	notes: transferNotes + " Cairn and oras check every digest on the way in; Cairn makes each blob durable.",
}

// hasVerb fails where cairn is not built or is older than the verb.
func hasVerb(verb string) string {
	return fmt.Sprintf("cairn %s --help | grep -q '^ *cairn %[1]s ' && %s", verb, cairnVersion)
}

// pushing gives the turn a registry of its own.
func pushing(script string) func(*turn) error {
	return func(t *turn) error {
		if err := t.registry(); err != nil {
			return err
		}
		_, err := t.measure(script)
		return err
	}
}

// pulling pulls from the registry of the workload, and looks whether the blobs arrived.
func pulling(script, store string) func(*turn) error {
	return func(t *turn) error {
		address, err := os.ReadFile(filepath.Join(t.scene.dir, "input", "address"))
		if err != nil {
			return err
		}
		t.env = append(t.env, "REGISTRY="+string(address))
		if _, err := t.measure(script); err != nil {
			return err
		}
		_, err = t.shell(fmt.Sprintf(`for b in $(ls "$INPUT/layout/blobs/sha256"); do cmp "$INPUT/layout/blobs/sha256/$b" "%s/blobs/sha256/$b"; done`, store))
		return err
	}
}

const registryConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
http: {addr: %s}
`

// registry starts one that lives until the turn ends, with its address in $REGISTRY.
func (t *turn) registry() error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	if err := t.write("registry.yaml", fmt.Appendf(nil, registryConfig, filepath.Join(t.dir, "registry"), address)); err != nil {
		return err
	}
	t.env = append(t.env, "REGISTRY="+address, "OTEL_TRACES_EXPORTER=none")
	return t.daemon("exec registry serve registry.yaml", address)
}

// buildImage makes the image: in Cairn's store, and alone in a layout for the others.
func buildImage(t *turn) error {
	for i := range layers {
		if err := writeNoise(filepath.Join(t.dir, "files", fmt.Sprint(i)), t.n/layers, byte(i)); err != nil {
			return err
		}
	}
	if err := t.write("benchmark.yaml", folder("files")); err != nil {
		return err
	}
	out, err := t.shell(take)
	if err != nil {
		return err
	}
	id, err := fetched(out)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(t.dir, "files")); err != nil {
		return err
	}
	return errors.Join(t.write("id", []byte(id)), extract(filepath.Join(t.dir, "home/store"), digest.Digest(id), filepath.Join(t.dir, "layout")))
}

// buildImageInRegistry also starts the registry and fills it.
func buildImageInRegistry(t *turn) error {
	if err := errors.Join(buildImage(t), t.registry()); err != nil {
		return err
	}
	address, err := t.shell(`
		if command -v crane; then crane push "$INPUT/layout" "$REGISTRY/image:v1"; else cairn push "$(cat id)" "oci://$REGISTRY/image:v1"; fi >&2
		printf %s "$REGISTRY"`)
	if err != nil {
		return err
	}
	return t.write("address", []byte(address))
}

// extract makes a layout of one image, whose blobs are links to those of a store.
func extract(store string, id digest.Digest, layout string) error {
	text, err := os.ReadFile(blob(store, id.String()))
	if err != nil {
		return err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(layout, "blobs/sha256"), 0o700); err != nil {
		return err
	}
	for _, d := range append([]ocispec.Descriptor{{Digest: id}, m.Config}, m.Layers...) {
		if err := os.Link(blob(store, d.Digest.String()), blob(layout, d.Digest.String())); err != nil {
			return err
		}
	}
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: m.ArtifactType, Digest: id, Size: int64(len(text)),
		Annotations: map[string]string{ocispec.AnnotationRefName: "v1"},
	}}})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(layout, "index.json"), index, 0o600),
		os.WriteFile(filepath.Join(layout, ocispec.ImageLayoutFile), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600))
}
