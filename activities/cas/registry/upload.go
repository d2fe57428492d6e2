package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// How uploads go on.
//
// A registry that can be asked how much of an upload it has, as the specification wants, gets a blob in one
// request; after a cut it is asked, and gets the rest.
//
// docker-registry 2, and what is built on it, gives an upload up when it is asked after a cut: each address that it
// gives names the size that the upload had then, and an address with another size ends the upload. Such a
// registry gets the blob in chunks, and before a chunk is sent a second request for the same place is begun and
// held open without a body: the size was right when it began. If the chunk is cut, the second request carries it
// once more, over the first bytes of it. If not, the second request ends empty and has changed nothing.
//
// Which kind it is is found out with one question about an upload that has nothing to lose: the address without
// the part that names the size. A registry that cares for that part refuses.

// state is the parameter of an address that names the size; only docker's registry and its kin have it.
const state = "_state"

// upload is a blob on its way.
type upload struct {
	repo *Repository
	src  source
	from string // repository to mount the blob from, "" for none
	keep *ticket

	at       *url.URL // where the next bytes go, nil before the upload has begun
	offset   int64
	furthest int64 // offset that was reached at any time
	unsure   bool  // whether offset may be wrong, because a connection was cut
	mounted  bool
	late     sync.WaitGroup // held requests that end
}

// send brings a blob to the registry, which does not have it.
func (u *upload) send(ctx context.Context) error {
	defer u.late.Wait()
	u.resume(ctx)
	err := u.repo.retry(ctx, func() (bool, error) {
		before := u.furthest
		err := u.step(ctx)
		u.furthest = max(u.furthest, u.offset)
		return u.furthest > before, err
	})
	if err == nil || ctx.Err() == nil && !passing(err) {
		u.keep.drop()
	}
	return err
}

// step gets the blob as far as it can.
func (u *upload) step(ctx context.Context) error {
	if u.unsure {
		if err := u.question(ctx); err != nil {
			return err
		}
	}
	if u.at == nil {
		if err := u.begin(ctx); err != nil || u.mounted {
			return err
		}
	}
	for u.offset < u.src.size {
		if u.src.size <= u.repo.opts.Chunk && u.offset == 0 {
			break // with the last request
		}
		if err := u.part(ctx); err != nil {
			return err
		}
	}
	return u.finish(ctx)
}

// begin opens an upload, or mounts the blob.
func (u *upload) begin(ctx context.Context) error {
	where := u.repo.url(blobs, "uploads/")
	if u.from != "" {
		where.RawQuery = url.Values{"mount": {u.src.digest.String()}, "from": {u.from}}.Encode()
	}
	resp, err := u.repo.once(ctx, u.verb(), http.MethodPost, where, nil, http.StatusAccepted, http.StatusCreated)
	if err != nil && u.from != "" && !passing(err) {
		u.from = "" // who may not read there, or cannot mount, sends
		return u.begin(ctx)
	}
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		u.mounted = u.from != ""
		if !u.mounted {
			return fmt.Errorf("%s: registry %s says that it has the blob before it was sent", u.verb(), u.repo.name.RegistryStr())
		}
		return nil
	}
	u.from, u.offset = "", 0
	return u.moved(next(resp), 0)
}

func (u *upload) verb() string { return "send " + u.src.digest.String() }

// next is the address that a response gives for the bytes that come next, nil if it gives none.
func next(resp *http.Response) *url.URL {
	where, err := resp.Location()
	if err != nil {
		return nil
	}
	return where
}

// moved notes where the next bytes go.
func (u *upload) moved(where *url.URL, offset int64) error {
	switch {
	case where == nil:
		return fmt.Errorf("%s: registry %s gives no address for it", u.verb(), u.repo.name.RegistryStr())
	case where.Scheme != "https" && where.Host != u.repo.name.RegistryStr():
		return fmt.Errorf("%s: registry %s wants it sent unprotected to %s", u.verb(), u.repo.name.RegistryStr(), plain(where.Host))
	}
	u.at, u.offset = where, offset
	u.keep.save(where)
	return nil
}

// part sends the next part: all that is left, or a chunk of it.
func (u *upload) part(ctx context.Context) error {
	holds, err := u.mustHold(ctx)
	if err != nil {
		return err
	}
	if !holds {
		if err := u.patch(ctx, u.src.size); err != nil {
			return u.doubt(err)
		}
		return nil
	}
	to := min(u.offset+u.repo.opts.Chunk, u.src.size)
	h := u.hold(ctx)
	err = u.patch(ctx, to)
	if err == nil {
		u.late.Go(h.release)
		return nil
	}
	if again := h.use(u, to); again != nil {
		return u.doubt(err)
	}
	return nil
}

// patch sends bytes up to an offset.
func (u *upload) patch(ctx context.Context, to int64) error {
	req, err := u.request(ctx, http.MethodPatch, u.at, to)
	if err != nil {
		return err
	}
	if u.offset > 0 || to < u.src.size {
		req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, to-1))
	}
	where, err := u.carry(req, to, http.StatusAccepted)
	if err != nil {
		return err
	}
	return u.moved(where, to)
}

// request carries the bytes from the offset up to another one.
func (u *upload) request(ctx context.Context, method string, where *url.URL, to int64) (*http.Request, error) {
	body := u.body(u.offset, to)
	req, err := http.NewRequestWithContext(ctx, method, where.String(), body)
	if err != nil {
		return nil, err
	}
	from := u.offset
	req.ContentLength = to - from
	req.GetBody = func() (io.ReadCloser, error) { return u.body(from, to), nil }
	req.Header.Set("Content-Type", "application/octet-stream")
	return req, nil
}

// body is a part of the source.
func (u *upload) body(from, to int64) io.ReadCloser {
	switch to {
	case from:
		return http.NoBody
	case u.src.size:
		return u.src.rest(from)
	}
	return io.NopCloser(io.NewSectionReader(u.src, from, to-from))
}

// carry makes a request with a body, says how far it is, and returns where the next bytes go.
func (u *upload) carry(req *http.Request, to int64, want ...int) (*url.URL, error) {
	stop := watch(req.Body, u.offset, to, u.repo.opts.Moved)
	resp, err := u.repo.do(u.verb(), req, want...)
	stop(err == nil)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return next(resp), nil
}

// doubt notes that it is not known how much arrived. The registry is asked at the next try: it needs a moment to
// see that nothing more comes.
func (u *upload) doubt(cause error) error {
	if !passing(cause) && !lost(cause) {
		return cause
	}
	u.unsure = true
	if lost(cause) {
		return &interrupted{cause}
	}
	return cause
}

// lost says whether the registry no longer knows an upload, or knows it to be of another size.
func lost(err error) bool {
	s := status(err)
	return s == http.StatusNotFound || s == http.StatusRequestedRangeNotSatisfiable
}

// interrupted is an error after which the upload goes on or begins again.
type interrupted struct{ error }

func (i *interrupted) Unwrap() error { return i.error }

// question asks how much the registry has. If it does not say, the upload begins again; an error means that there
// was no answer.
func (u *upload) question(ctx context.Context) error {
	u.unsure = true
	resp, err := u.repo.once(ctx, u.verb(), http.MethodGet, u.at, nil, http.StatusNoContent, http.StatusAccepted, http.StatusOK)
	if err != nil && passing(err) {
		return err
	}
	u.unsure = false
	if err != nil || u.heard(resp) != nil {
		u.at, u.offset = nil, 0
	}
	return nil
}

// heard reads the answer. 0-0 stands for one byte and for none, so it is no answer.
func (u *upload) heard(resp *http.Response) error {
	resp.Body.Close()
	_, last, _ := strings.Cut(resp.Header.Get("Range"), "-")
	have, err := strconv.ParseInt(last, 10, 64)
	if err != nil || have <= 0 || have >= u.src.size {
		return fmt.Errorf("%s: registry %s has range %q", u.verb(), u.repo.name.RegistryStr(), plain(resp.Header.Get("Range")))
	}
	return u.moved(next(resp), have+1)
}

// resume goes on with an upload that another process began.
func (u *upload) resume(ctx context.Context) {
	if u.at = u.keep.load(); u.at != nil {
		_ = u.question(ctx) // without an answer it is asked again
	}
	u.furthest = u.offset
}

// finish ends the upload. A small blob comes with this request.
func (u *upload) finish(ctx context.Context) error {
	where := *u.at
	q := where.Query()
	q.Set("digest", u.src.digest.String())
	where.RawQuery = q.Encode()
	req, err := u.request(ctx, http.MethodPut, &where, u.src.size)
	if err != nil {
		return err
	}
	u.late.Wait()
	_, err = u.carry(req, u.src.size, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return u.unfinished(ctx, err)
	}
	return nil
}

// unfinished looks whether the registry has the blob although its answer did not come.
func (u *upload) unfinished(ctx context.Context, cause error) error {
	if status(cause) == http.StatusBadRequest { // for the digest, perhaps: whose fault is it?
		return errors.Join(u.src.verify(ctx), cause)
	}
	if !passing(cause) && !lost(cause) {
		return cause
	}
	if _, err := u.repo.find(ctx, u.src.digest); err == nil {
		return nil
	}
	return u.doubt(cause)
}
