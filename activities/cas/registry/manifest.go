package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// maxManifest is the most that common registries take.
const maxManifest = 4 << 20

// getManifest reads a manifest by its tag or digest. A digest is checked, and so is what the registry says of a tag.
func (r *Repository) getManifest(ctx context.Context, ref string) (ocispec.Descriptor, []byte, error) {
	var text []byte
	var says digest.Digest
	err := r.retry(ctx, func() (bool, error) {
		resp, err := r.once(ctx, "read manifest "+ref, http.MethodGet, r.url(manifests, ref), accepted, http.StatusOK)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		says = digest.Digest(resp.Header.Get("Docker-Content-Digest"))
		if text, err = io.ReadAll(io.LimitReader(resp.Body, maxManifest+1)); err != nil {
			err = fmt.Errorf("read manifest %s: %w", ref, r.cut(err))
		}
		return false, err
	})
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	if len(text) > maxManifest {
		return ocispec.Descriptor{}, nil, fmt.Errorf("manifest %s of registry %s has more than %d bytes: %w", ref, r.name.RegistryStr(), maxManifest, cas.ErrTooLarge)
	}
	d := ocispec.Descriptor{MediaType: mediaType(text), Digest: digest.FromBytes(text), Size: int64(len(text))}
	for _, want := range []digest.Digest{digest.Digest(ref), says} {
		if canonical.IsSHA256(want) && want != d.Digest {
			return d, nil, fmt.Errorf("manifest %s of registry %s, repository %s: %w", ref, r.name.RegistryStr(), r.name.RepositoryStr(), &cas.MismatchError{Want: want, Got: d.Digest})
		}
	}
	return d, text, nil
}

// mediaType is what a manifest says that it is.
func mediaType(text []byte) string {
	var m struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	_ = json.Unmarshal(text, &m) // who needs more, parses it
	switch {
	case m.MediaType != "":
		return m.MediaType
	case m.Manifests != nil:
		return ocispec.MediaTypeImageIndex
	}
	return ocispec.MediaTypeImageManifest
}

// putManifest keeps a manifest under its digest or under a tag. What it names must be there. It says whether the
// registry keeps referrers of its own accord.
func (r *Repository) putManifest(ctx context.Context, ref string, text []byte) (listed bool, err error) {
	if len(text) > maxManifest {
		return false, fmt.Errorf("manifest %s has %d bytes, registries take %d: %w", ref, len(text), maxManifest, cas.ErrTooLarge)
	}
	verb := "send manifest " + ref
	err = r.retry(ctx, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url(manifests, ref).String(), bytes.NewReader(text))
		if err != nil {
			return false, err
		}
		req.Header.Set("Content-Type", mediaType(text))
		resp, err := r.do(verb, req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
		if err != nil {
			return false, err
		}
		resp.Body.Close()
		listed = resp.Header.Get("OCI-Subject") != ""
		if got := digest.Digest(resp.Header.Get("Docker-Content-Digest")); got.Validate() == nil && got != digest.FromBytes(text) {
			return false, fmt.Errorf("%s: registry %s: %w", verb, r.name.RegistryStr(), &cas.MismatchError{Want: digest.FromBytes(text), Got: got})
		}
		return false, nil
	})
	return listed, err
}

// hasManifest looks for a manifest, as a manifest.
func (r *Repository) hasManifest(ctx context.Context, ref string) (ocispec.Descriptor, bool, error) {
	resp, err := r.ask(ctx, "look for manifest "+ref, http.MethodHead, r.url(manifests, ref), accepted, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	resp.Body.Close()
	d := ocispec.Descriptor{MediaType: resp.Header.Get("Content-Type"), Digest: digest.Digest(resp.Header.Get("Docker-Content-Digest")), Size: resp.ContentLength}
	return d, resp.StatusCode == http.StatusOK, nil
}

// Tag gives names to manifests whose bytes and parts are in the repository. A registry has no way to do that all at
// once; a name that it cannot have is refused before any is given.
func (r *Repository) Tag(ctx context.Context, named map[string]ocispec.Descriptor) error {
	tags, err := tagsOf(named)
	if err != nil {
		return err
	}
	for _, name := range inOrder(named) {
		if err := r.tag(ctx, tags[name], named[name].Digest); err != nil {
			return fmt.Errorf("tag %s: %w", name, err)
		}
	}
	return nil
}

// tagsOf writes names as tags.
func tagsOf(named map[string]ocispec.Descriptor) (map[string]string, error) {
	tags := map[string]string{}
	for name, d := range named {
		tag, err := tagOf(name)
		if err == nil {
			err = cas.Check(d.Digest)
		}
		if err != nil {
			return nil, fmt.Errorf("tag %s: %w", name, err)
		}
		tags[name] = tag
	}
	return tags, nil
}

// inOrder puts the parts of a benchmark, whose names are longer, before the benchmark, which lists them.
func inOrder(named map[string]ocispec.Descriptor) []string {
	return slices.SortedFunc(maps.Keys(named), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(y), len(x)), strings.Compare(x, y))
	})
}

// tag keeps a manifest, and those that it lists, as manifests, the first with a tag.
func (r *Repository) tag(ctx context.Context, tag string, d digest.Digest) error {
	if have, ok, err := r.hasManifest(ctx, tag); err != nil || ok && have.Digest == d {
		return err
	}
	text, err := cas.ReadAll(ctx, r, d, maxManifest)
	if err != nil {
		return err
	}
	if err := r.children(ctx, text); err != nil {
		return err
	}
	return r.keepManifest(ctx, tag, text)
}

// children keeps as manifests what an index lists.
func (r *Repository) children(ctx context.Context, text []byte) error {
	if mediaType(text) != ocispec.MediaTypeImageIndex {
		return nil
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return err
	}
	for _, m := range ix.Manifests {
		if err := r.promote(ctx, m.Digest); err != nil {
			return err
		}
	}
	return nil
}

// promote keeps a blob that is a manifest as a manifest.
func (r *Repository) promote(ctx context.Context, d digest.Digest) error {
	if _, ok, err := r.hasManifest(ctx, d.String()); ok || err != nil {
		return err
	}
	text, err := cas.ReadAll(ctx, r, d, maxManifest)
	if err != nil {
		return err
	}
	return r.keepManifest(ctx, d.String(), text)
}

// keepManifest keeps a manifest, and lists it with its subject where the registry does not.
func (r *Repository) keepManifest(ctx context.Context, ref string, text []byte) error {
	listed, err := r.putManifest(ctx, ref, text)
	if err != nil || listed {
		return err
	}
	return r.refer(ctx, text)
}

// Index lists the tags that are names of a store. A registry keeps no annotations with a tag.
func (r *Repository) Index(ctx context.Context) (ocispec.Index, error) {
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	tags, err := r.tags(ctx)
	if err != nil {
		return ix, err
	}
	found := make([]*ocispec.Descriptor, len(tags))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.opts.Jobs)
	for i, tag := range tags {
		name, ok := nameOf(tag)
		if !ok || ours.MatchString(tag) {
			continue
		}
		g.Go(func() error {
			d, ok, err := r.hasManifest(ctx, tag)
			if ok {
				d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
				found[i] = &d
			}
			return err
		})
	}
	err = g.Wait()
	for _, d := range found {
		if d != nil {
			ix.Manifests = append(ix.Manifests, *d)
		}
	}
	return ix, err
}

// maxPage bounds one page of tags.
const maxPage = 16 << 20

// tags lists all tags, page by page. A repository that nobody has written to has none.
func (r *Repository) tags(ctx context.Context) ([]string, error) {
	var all []string
	for where := r.url("tags", "list"); where != nil; {
		resp, err := r.ask(ctx, "list tags", http.MethodGet, where, nil, http.StatusOK, http.StatusNotFound)
		if err != nil {
			return nil, err
		}
		var page struct {
			Tags []string `json:"tags"`
		}
		if resp.StatusCode == http.StatusOK {
			err = json.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(&page)
		}
		resp.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("list tags: registry %s: %w", r.name.RegistryStr(), err)
		}
		all = append(all, page.Tags...)
		if where, err = nextPage(where, resp.Header.Get("Link")); err != nil {
			return nil, fmt.Errorf("list tags: registry %s: %w", r.name.RegistryStr(), err)
		}
	}
	return all, nil
}

// nextPage reads `<address>; rel="next"`.
func nextPage(from *url.URL, link string) (*url.URL, error) {
	address, rel, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if link == "" || !ok || !strings.Contains(rel, "next") {
		return nil, nil
	}
	next, err := from.Parse(address)
	if err != nil || next.Host != from.Host || next.String() == from.String() {
		return nil, errors.New("the address of the next page is not valid")
	}
	return next, nil
}
