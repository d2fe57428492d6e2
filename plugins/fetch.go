package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Source lists and opens what a publisher offers. Parallelism, retries, verification and storage are the
// framework's.
type Source interface {
	// List names every file. It returns an error rather than part of the list.
	List(ctx context.Context) ([]SourceFile, error)
	// Open reads one of the listed files from the offset on.
	Open(ctx context.Context, f SourceFile, offset int64) (io.ReadCloser, error)
}

// SourceFile is one file as its publisher describes it.
type SourceFile struct {
	Path   string        // where it goes in the artifact
	Size   int64         // -1 if the publisher does not say
	Digest digest.Digest // the publisher's own checksum, "" if there is none
	Ref    string        // the source's own name for it, such as a URL
	// Expand, if set, says that the file is an archive: it is called with the whole, verified file, and what
	// it writes stands in the artifact instead of the file.
	Expand func(ctx context.Context, file io.ReaderAt, size int64, out Output) error
}

// LocalSource is a Source whose content can be named by a digest before it is fetched.
type LocalSource interface {
	Source
	SourceDigest(ctx context.Context) (digest.Digest, error)
}

// DescribedSource is a Source that says where its bytes come from, for dataset.json: a publisher's address,
// never a path of this machine and never a secret.
type DescribedSource interface {
	Source
	Describe() map[string]string
}

// ErrNotData says that what arrived is not the data that was asked for: an HTML page, a login form.
var ErrNotData = errors.New("answer is not data")

// Fetch makes a plugin of kind fetch. open must not touch the network or the disk; List and Open do.
func Fetch[P any](spec catalog.Spec, defaults P, open func(P, Env, uint64) (Source, error)) Plugin {
	spec, decode := typed(spec, catalog.Fetch, defaults)
	return Plugin{
		spec:      spec,
		normalise: normaliser(decode),
		source: func(ctx context.Context, raw json.RawMessage, env Env) (digest.Digest, error) {
			p, err := decode(raw)
			if err != nil {
				return "", err
			}
			src, err := open(p, env, 0)
			if err != nil {
				return "", err
			}
			local, ok := src.(LocalSource)
			if !ok {
				return "", nil
			}
			return local.SourceDigest(ctx)
		},
		run: func(ctx context.Context, c Call) error {
			p, err := decode(c.Params)
			if err != nil {
				return err
			}
			src, err := open(p, c.Env, c.Seed)
			if err != nil {
				return err
			}
			return runFetch(ctx, c, spec, src)
		},
	}
}
