package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// Fate is what became of a blob that was to be sent.
type Fate int

// The fates.
const (
	Skipped Fate = iota // the registry had it
	Mounted             // another repository of the registry had it
	Sent
)

// Send brings a blob of known digest and size to the repository, unless it is there.
func (r *Repository) Send(ctx context.Context, d digest.Digest, size int64, from io.ReaderAt) (Fate, error) {
	release, err := r.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if err := cas.Check(d); err != nil {
		return 0, err
	}
	have, err := r.look(ctx, blobs, d)
	if err != nil {
		return 0, err
	}
	if have.kind != "" {
		if have.size >= 0 && have.size != size {
			return 0, fmt.Errorf("blob %s: registry %s has %d bytes of it, not %d: its storage is damaged; remove the blob there", d, r.name.RegistryStr(), have.size, size)
		}
		r.places().note(d)
		return Skipped, nil
	}
	u := &upload{repo: r, src: source{d, size, from}, keep: r.ticket(d), from: r.places().elsewhere(d)}
	defer u.keep.close()
	if err := u.send(ctx); err != nil {
		return 0, err
	}
	r.places().note(d)
	if u.mounted {
		return Mounted, nil
	}
	return Sent, nil
}

// spool is how many bytes of unknown digest are held in memory; more of them lie in a temporary file.
const spool = 1 << 20

// Put keeps the bytes of r. They are read to the end before anything is sent, because only then their digest is
// known, and because what was cut must be read again.
func (r *Repository) Put(ctx context.Context, want digest.Digest, src io.Reader) (digest.Digest, int64, error) {
	d, n, err := r.put(ctx, want, src)
	if err != nil {
		return "", n, fmt.Errorf("put blob: %w", err)
	}
	return d, n, nil
}

func (r *Repository) put(ctx context.Context, want digest.Digest, src io.Reader) (digest.Digest, int64, error) {
	if want != "" {
		if err := cas.Check(want); err != nil {
			return "", 0, err
		}
	}
	if err := ctx.Err(); err != nil {
		return "", 0, err
	}
	hash := sha256.New()
	src = io.TeeReader(src, hash)
	head, err := io.ReadAll(io.LimitReader(src, spool))
	n := int64(len(head))
	from := io.ReaderAt(bytes.NewReader(head))
	if err == nil && n == spool {
		var f *os.File
		if f, err = os.CreateTemp("", "cairn-put-"); err != nil {
			return "", n, err
		}
		defer f.Close()
		_ = os.Remove(f.Name()) // it lives as long as it is open
		from = f
		n, err = io.CopyBuffer(struct{ io.Writer }{f}, io.MultiReader(bytes.NewReader(head), src), make([]byte, 128<<10))
	}
	if err != nil {
		return "", n, err
	}
	got := digest.NewDigest(digest.SHA256, hash)
	if want != "" && got != want {
		return "", n, &cas.MismatchError{Want: want, Got: got}
	}
	_, err = r.Send(ctx, got, n, from)
	return got, n, err
}

// Remove removes a blob and the manifest of the same digest. Many registries do not allow it.
func (r *Repository) Remove(ctx context.Context, d digest.Digest) error {
	if err := cas.Check(d); err != nil {
		return err
	}
	for _, kind := range []string{blobs, manifests} {
		resp, err := r.ask(ctx, "remove "+d.String(), http.MethodDelete, r.url(kind, d.String()), nil, http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound)
		if err != nil {
			return err
		}
		resp.Body.Close()
	}
	return nil
}
