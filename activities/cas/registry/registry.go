// Package registry is a cas store in one repository of an OCI registry, and the way of whole artifacts to it and
// from it.
//
// Names, credentials and tokens are go-containerregistry's; the transfer of blobs is our own, because the library
// begins a blob again at its first byte when a connection is cut:
//
//   - a download goes on with a range request, and its bytes are hashed until io.EOF;
//   - an upload goes on where the registry says that it is. upload.go tells what is done with a registry that
//     cannot be asked;
//   - what a registry has, in this repository or in another one that we know of, is not sent.
//
// A registry keeps manifests apart from blobs. Here both are blobs of a store: what is put is kept as a blob, a
// manifest that is given a name is kept as a manifest too, and what is read is looked for in both places.
//
// A registry is never believed: a blob that does not have its digest is a *cas.MismatchError, whatever the
// registry's headers say.
package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Scheme begins the name of a repository where it could be taken for something else.
const Scheme = "oci://"

// Options are those of a repository. The zero value is of use.
type Options struct {
	Keychain authn.Keychain // whose credentials are used; nil means those that docker and its helpers keep
	Jobs     int            // blobs on their way at once; 0 means 4
	Chunk    int64          // bytes of an upload that may be lost with a connection; 0 means 8 MiB
	Dir      string         // where unfinished uploads and what lies where are remembered; "" means nowhere
	Agent    string         // of the program that asks
	// Pause waits between two tries; nil means to sleep.
	Pause func(ctx context.Context, d time.Duration) error
	// Moved is told of bytes of blobs as they pass, in any order and from several goroutines; may be nil.
	Moved func(n int64)
	// Planned is told of the bytes of the blobs that a push or a pull is about, most of which may be there; may be nil.
	Planned func(n int64)
}

// Repository is one repository of a registry. It is safe for concurrent use.
type Repository struct {
	name name.Repository
	opts Options
	base http.RoundTripper
	slot chan struct{} // one for each blob on its way

	mu      sync.Mutex
	clients map[string]*http.Client // by scope
	holds   *bool                   // whether uploads must be held open, see upload.go; nil until it is known
	known   *places
	mute    atomic.Bool // whether held requests were seen not to be answered
	listing sync.Mutex  // orders our own changes of lists of referrers
}

// Parse splits oci://host/repository[:tag|@digest] into the repository and the rest, which may be empty.
func Parse(ref string) (name.Repository, string, error) {
	bare, ok := strings.CutPrefix(ref, Scheme)
	if !ok {
		return name.Repository{}, "", fmt.Errorf("%q does not begin with %s", ref, Scheme)
	}
	host, path, _ := strings.Cut(bare, "/")
	at := strings.IndexAny(path, ":@")
	rest := ""
	if at >= 0 {
		path, rest = path[:at], strings.TrimPrefix(path[at:], ":")
	}
	if host == "" || path == "" || rest == "" && at >= 0 {
		return name.Repository{}, "", fmt.Errorf("%q: want %shost/repository, then :tag or @digest or nothing", ref, Scheme)
	}
	reg, err := name.NewRegistry(host)
	if err != nil {
		return name.Repository{}, "", fmt.Errorf("%q: %w", ref, err)
	}
	repo, err := name.NewRepository(reg.Name() + "/" + path)
	if err != nil {
		return name.Repository{}, "", fmt.Errorf("%q: %w", ref, err)
	}
	if rest != "" {
		if _, err := identifier(repo, rest); err != nil {
			return name.Repository{}, "", fmt.Errorf("%q: %w", ref, err)
		}
	}
	return repo, rest, nil
}

// identifier reads a tag, or a digest after @.
func identifier(repo name.Repository, rest string) (name.Reference, error) {
	if strings.HasPrefix(rest, "@") {
		return name.NewDigest(repo.Name() + rest)
	}
	return name.NewTag(repo.Name() + ":" + rest)
}

// Open returns a repository. Nothing is asked of the registry yet.
func Open(repo name.Repository, o Options) *Repository {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.Jobs < 1 {
		o.Jobs = 4
	}
	if o.Chunk < 1 {
		o.Chunk = 8 << 20
	}
	if o.Pause == nil {
		o.Pause = sleep
	}
	if o.Moved == nil {
		o.Moved = func(int64) {}
	}
	if o.Planned == nil {
		o.Planned = func(int64) {}
	}
	return &Repository{name: repo, opts: o, base: newTransport(o.Jobs), slot: make(chan struct{}, o.Jobs), clients: map[string]*http.Client{}}
}

// Name is host/repository.
func (r *Repository) Name() string { return r.name.Name() }

// newTransport makes connections that carry one request at a time: over HTTP/2 a cut would end all of them.
func newTransport(jobs int) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.DisableCompression = true // ranges and digests are of the bytes as they lie
	t.MaxIdleConnsPerHost = 2*jobs + 2
	t.ReadBufferSize, t.WriteBufferSize = 128<<10, 128<<10
	t.ResponseHeaderTimeout = 10 * time.Minute // a registry may hash a blob again before it answers
	t.ExpectContinueTimeout = time.Minute      // who waits for it gives up sooner, see hold.go
	return t
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// acquire waits for a slot of a transfer.
func (r *Repository) acquire(ctx context.Context) (release func(), err error) {
	select {
	case r.slot <- struct{}{}:
		return func() { <-r.slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// client returns a client that may do what scope says, pull or push,pull, and read the repository of a mount.
func (r *Repository) client(ctx context.Context, scope, from string) (*http.Client, error) {
	key := scope + " " + from
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.clients[key]; ok {
		return c, nil
	}
	auth, err := authn.Resolve(ctx, r.opts.Keychain, r.name)
	if err != nil {
		return nil, fmt.Errorf("credentials for %s: %w", r.name.RegistryStr(), err)
	}
	scopes := []string{r.name.Scope(scope)}
	if from != "" {
		scopes = append(scopes, "repository:"+from+":pull")
	}
	t, err := transport.NewWithContext(ctx, r.name.Registry, auth, transport.NewUserAgent(r.base, r.opts.Agent), scopes)
	if err != nil {
		return nil, r.unreachable(err)
	}
	c := &http.Client{Transport: t, CheckRedirect: checkRedirect}
	r.clients[key] = c
	return c, nil
}

// checkRedirect follows a registry to where its blobs lie, but never from a protected connection to one that is not.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("stopped after %d redirects", len(via))
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("the registry leads from https to %s", req.URL.Scheme)
	}
	return nil
}

// url is that of something in the repository.
func (r *Repository) url(kind, rest string) *url.URL {
	return &url.URL{Scheme: r.name.Scheme(), Host: r.name.RegistryStr(), Path: "/v2/" + r.name.RepositoryStr() + "/" + kind + "/" + rest}
}
