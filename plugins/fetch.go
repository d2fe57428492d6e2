package plugins

import (
	"context"
	"encoding/json"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Source lists and opens what a publisher offers. Parallelism, retries, verification and storage are the
// framework's. If the plugin needs the network (catalog.Spec.Network), it also keeps partial files, so that a
// transfer goes on where it was killed.
type Source interface {
	// List names every file. It returns an error rather than part of the list.
	List(ctx context.Context) ([]SourceFile, error)
	// Open reads one of the listed files from the offset on.
	Open(ctx context.Context, f SourceFile, offset int64) (io.ReadCloser, error)
}

// PartSource is a Source that can give a part of a file and say of which version of the file it is. Only from
// such a source a transfer is taken up after a kill without a checksum, and only from such a source a large file
// comes over several connections.
type PartSource interface {
	Source
	// OpenPart opens what is wanted, or the file from its start if the source has no parts or the file is
	// another one by now. An error that is ErrNoResume says that the source is to be asked for whole files only.
	OpenPart(ctx context.Context, f SourceFile, want Part) (Opened, error)
}

// Part is what is wanted of a file.
type Part struct {
	Offset  int64
	Length  int64  // -1 for all that follows; from offset 0 this asks for the file as a whole
	Version string // of the bytes that are already there, "" if nothing is known of it
}

// Opened is what a source gives of a file.
type Opened struct {
	Body    io.ReadCloser
	From    int64    // where Body begins: Part.Offset or 0
	To      int64    // where it ends, -1 if that is not announced
	Size    int64    // of the whole file, -1 if it is not announced
	Version string   // no two versions of the file share it; "" if the source cannot tell them apart
	Sum     Checksum // of the whole file, "" if the answer has none; it is checked if the list has none
	Endless bool     // nothing marks where Body ends, so that a cut looks like the end
}

// SourceFile is one file as its publisher describes it.
type SourceFile struct {
	Path   string        // where it goes in the artifact
	Size   int64         // -1 if the publisher does not say
	Digest digest.Digest // the publisher's own checksum, "" if there is none
	Sum    Checksum      // a weaker one of the publisher's, "" if there is none; with a Digest, both are checked
	List   string        // address of the publisher's list that says so; "" if the manifest does
	Ref    string        // the source's own name for it, such as a URL
	// Expand, if set, says that the file is an archive: it is called with the whole, verified file, and what
	// it writes stands in the artifact instead of the file.
	Expand func(ctx context.Context, file io.ReaderAt, size int64, out Output) error
}

// WalkSource is a Source that may have a million files: it names them one by one.
type WalkSource interface {
	Source
	// Walk visits what List would name, in any order, until visit returns an error.
	Walk(ctx context.Context, visit func(SourceFile) error) error
}

// LocalSource is a Source that lies on this machine. Its content is named by a digest before it is fetched, and what is
// fetched has to have that digest.
type LocalSource interface {
	Source
	Local()
}

// DescribedSource is a Source that says where its bytes come from, for dataset.json: a publisher's address,
// never a path of this machine and never a secret.
type DescribedSource interface {
	Source
	Describe() map[string]string
}

// Fetch makes a plugin of kind fetch. open must not touch the network or the disk; List and Open do.
func Fetch[P any](spec catalog.Spec, defaults P, open func(P, Env, uint64) (Source, error)) Plugin {
	spec, decode := typed(spec, catalog.Fetch, defaults)
	hosts := newGate(perHost, allHosts)
	opened := func(raw json.RawMessage, env Env, seed uint64) (Source, error) {
		p, err := decode(raw)
		if err != nil {
			return nil, err
		}
		return open(p, env.For(spec), seed)
	}
	return Plugin{
		spec:      spec,
		normalise: normaliser(decode),
		source: func(ctx context.Context, raw json.RawMessage, env Env) (digest.Digest, error) {
			src, err := opened(raw, env, 0)
			if err != nil {
				return "", err
			}
			defer closeSource(src)
			local, ok := src.(LocalSource)
			if !ok {
				return "", nil
			}
			return digestOf(ctx, local)
		},
		estimate: func(ctx context.Context, raw json.RawMessage, env Env) (Estimate, error) {
			src, err := opened(raw, env, 0)
			if err != nil {
				return Estimate{}, err
			}
			defer closeSource(src)
			return estimateOf(ctx, src)
		},
		missing: func(ctx context.Context, raw json.RawMessage, env Env) ([]Missing, error) {
			src, err := opened(raw, env, 0)
			if err != nil {
				return nil, err
			}
			defer closeSource(src)
			gated, ok := src.(GatedSource)
			if !ok {
				return nil, nil
			}
			return gated.Missing(ctx)
		},
		run: func(ctx context.Context, c Call) error {
			src, err := opened(c.Params, c.Env, c.Seed)
			if err != nil {
				return err
			}
			defer closeSource(src)
			return (&fetching{call: c, spec: spec, src: src, hosts: hosts}).run(ctx)
		},
	}
}

// closeSource closes a source that has something to close.
func closeSource(src Source) {
	if c, ok := src.(io.Closer); ok {
		_ = c.Close() // it was only read
	}
}
