package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

func (a *app) pushCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "push REF|LOCK " + registry.Scheme + "HOST/REPOSITORY[:TAG]",
		Short: "Bring an artifact, or the benchmark of a lock, to a registry, with its records",
		Args:  args(2),
		RunE:  func(c *cobra.Command, args []string) error { return a.push(c.Context(), args[0], args[1]) },
	}
}

// pushed is what a push prints.
type pushed struct {
	Schema    string        `json:"schema"`
	Ref       string        `json:"ref"`
	Digest    digest.Digest `json:"digest"`
	Manifests int           `json:"manifests"`
	Blobs     struct {
		Sent    int `json:"sent"`
		Skipped int `json:"skipped"`
		Mounted int `json:"mounted"`
	} `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

func (a *app) push(ctx context.Context, what, to string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	meter, err := a.newTransfer("push")
	if err != nil {
		return err
	}
	remote, repo, tag, err := a.target(w, to, meter)
	if err != nil {
		return err
	}
	if strings.HasPrefix(tag, "@") {
		return &usageError{fmt.Errorf("%s: what is pushed has a digest already; give a tag or nothing", to)}
	}
	root, err := w.pushable(ctx, what)
	if err != nil {
		return err
	}
	records, err := w.recordsOf(ctx, root)
	if err != nil {
		return err
	}
	out, err := remote.Push(ctx, w.store, root, tag, records...)
	meter.end()
	if err != nil {
		return err
	}
	doc := pushed{Schema: "cairn/push/v1", Ref: registry.Scheme + repo.Name() + ":" + tag, Digest: out.Digest, Manifests: out.Manifests, Bytes: out.Bytes}
	doc.Blobs.Sent, doc.Blobs.Skipped, doc.Blobs.Mounted = out.Sent, out.Skipped, out.Mounted
	return a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "%s\n%s\n%d manifests, %d blobs sent (%s), %d were there, %d mounted\n",
			doc.Ref, doc.Digest, doc.Manifests, doc.Blobs.Sent, size(float64(doc.Bytes)), doc.Blobs.Skipped, doc.Blobs.Mounted)
	})
}

// pushable is the artifact of a name or a digest, or the benchmark artifact of a lock file.
func (w *workshop) pushable(ctx context.Context, what string) (digest.Digest, error) {
	text, err := os.ReadFile(what)
	if errors.Is(err, fs.ErrNotExist) {
		return w.ref(ctx, what)
	}
	if err != nil {
		return "", &usageError{err}
	}
	if d, ok := w.holder(ctx, text); ok {
		return d, nil
	}
	return "", exit(exitUsage, "%s: its benchmark artifact is not in the store; `cairn run` makes it", what)
}

// recordsOf finds the records of a single artifact through the benchmarks that list both.
func (w *workshop) recordsOf(ctx context.Context, artifact digest.Digest) ([]digest.Digest, error) {
	ix, err := w.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	var out []digest.Digest
	for _, named := range ix.Manifests {
		text, err := cas.ReadAll(ctx, w.store, named.Digest, maxShown)
		var bench ocispec.Index
		if named.MediaType != ocispec.MediaTypeImageIndex || err != nil || json.Unmarshal(text, &bench) != nil {
			continue
		}
		of := map[string]bool{} // actions that gave it
		for _, m := range bench.Manifests {
			if m.Digest == artifact {
				of[m.Annotations[verify.ActionKey]] = true
			}
		}
		for _, m := range bench.Manifests {
			if m.ArtifactType == provenance.MediaType && of[m.Annotations[verify.ActionKey]] {
				out = append(out, m.Digest)
			}
		}
	}
	return out, nil
}
