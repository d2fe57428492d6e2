package verify

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

const maxFiles = 10 // of one artifact are reported

// inspection is what the shards of a dataset turned out to be beside what its first layer says.
type inspection struct {
	err    error // its first layer is none
	files  int
	listed []artifact.Fault // of the first layer
	inside map[int][]artifact.Fault
	found  map[int]finding
}

// faults are those of the first layer and of the others.
func (n inspection) faults(p part) []artifact.Fault {
	all := slices.Clip(n.listed)
	for i := range p.manifest.Layers {
		for _, f := range n.inside[i] {
			f.Path = cmp.Or(f.Path, p.layer(i))
			all = append(all, f)
		}
	}
	return all
}

// named are those of a layer that are of a file.
func (n inspection) named(layer int) []artifact.Fault {
	all := n.inside[layer]
	if layer == 0 {
		all = n.listed
	}
	return slices.DeleteFunc(slices.Clone(all), func(f artifact.Fault) bool { return f.Path == "" || f.Path == artifact.RootAnnotation })
}

// readShards reads all shards of a dataset, once for their digests and for the digests of their files.
func (v *verifier) readShards(p part) inspection {
	shards := make([]int, 0, len(p.manifest.Layers))
	for i := range p.manifest.Layers[1:] {
		shards = append(shards, i+1)
	}
	n := v.inspect(p, shards)
	for i, f := range n.found {
		v.found[p.manifest.Layers[i].Digest] = f
	}
	return n
}

// inspect reads some layers of a dataset beside what the first says of them.
func (v *verifier) inspect(p part, layers []int) inspection {
	var n inspection
	keep := func(faults *[]artifact.Fault) func(artifact.Fault) {
		return func(f artifact.Fault) {
			if len(*faults) < maxFiles {
				*faults = append(*faults, f)
			}
		}
	}
	var spans []artifact.Span
	r, err := artifact.NewReader(v.ctx, v.store, p.manifest)
	if err == nil {
		defer func() { _ = r.Close() }() // only read
		n.files = r.Len()
		spans, err = r.Check(keep(&n.listed))
	}
	n.err = err
	found, inside := make([]finding, len(layers)), make([][]artifact.Fault, len(layers))
	parallel(v.ctx, len(layers), func(i int, buf []byte) {
		var look func(io.Reader) error
		if spans != nil {
			look = func(in io.Reader) error { return r.CheckShard(in, spans[layers[i]], keep(&inside[i])) }
		}
		found[i] = v.examine(p.manifest.Layers[layers[i]].Digest, buf, look)
	})
	n.inside, n.found = map[int][]artifact.Fault{}, map[int]finding{}
	for i, l := range layers {
		n.inside[l], n.found[l] = inside[i], found[i]
	}
	return n
}

// files says where a dataset contradicts itself although each of its blobs has its digest.
func (v *verifier) files(p part, n inspection) {
	var damaged *artifact.DamagedError
	switch faults := n.faults(p); {
	case errors.As(n.err, &damaged):
		v.problem(Problem{Code: Malformed, Path: p.path(1), Digest: p.digest, Got: n.err.Error()})
	case n.err != nil:
		v.unopened(p.manifest.Layers[0].Digest, p.path(1), n.err)
	case len(faults) == 0:
		v.out.Checked.Files += n.files
	default:
		for _, f := range faults[:min(len(faults), maxFiles)] {
			v.problem(Problem{Code: FilesDiffer, Path: cmp.Or(f.Path, "manifest"), Digest: p.digest, Want: f.Want, Got: f.Got})
		}
	}
}

// locate names the files that are altered in layers of a dataset, or else the layers. What the first layer says of the
// others is of use only where it is not altered itself.
func (v *verifier) locate(p part, layers []int, n inspection) {
	for _, l := range layers {
		b := p.manifest.Layers[l]
		var faults []artifact.Fault
		if l == 0 || layers[0] != 0 {
			faults = n.named(l)
		}
		for _, f := range faults {
			v.problem(Problem{Code: BlobAltered, Path: f.Path, Digest: b.Digest, Want: f.Want, Got: f.Got})
		}
		if len(faults) == 0 {
			v.judge(p, b, p.path(l+1), v.found[b.Digest])
		}
	}
}
