package registry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// mustHold says whether the registry gives an upload up when it is asked after a cut. See upload.go.
func (u *upload) mustHold(ctx context.Context) (bool, error) {
	if !u.at.Query().Has(state) {
		return false, nil
	}
	u.repo.mu.Lock()
	known := u.repo.holds
	u.repo.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	where := *u.at
	q := where.Query()
	q.Del(state)
	where.RawQuery = q.Encode()
	resp, err := u.repo.once(ctx, u.verb(), http.MethodGet, &where, nil, http.StatusNoContent)
	if err == nil {
		resp.Body.Close()
	} else if s := status(err); s != http.StatusNotFound && s != http.StatusBadRequest {
		return false, err
	}
	holds := err != nil
	u.repo.mu.Lock()
	u.repo.holds = &holds
	u.repo.mu.Unlock()
	return holds, nil
}

// held is a request that a registry has begun to serve and that has no body yet. A nil one is none.
type held struct {
	body   *io.PipeWriter
	end    context.CancelFunc
	answer chan answer
}

type answer struct {
	resp *http.Response
	err  error
}

// patience is how long a registry may take to begin with a request that is to be held.
const patience = 5 * time.Second

// hold begins a request for the place where the next chunk goes. The registry says "100 Continue" when it reads the
// body, and by then has looked at the size. It returns nil where that does not work, as behind a proxy that does not
// pass it on.
func (u *upload) hold(ctx context.Context) *held {
	if u.repo.mute.Load() {
		return nil
	}
	begun := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { begun <- struct{}{} }}))
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, u.at.String(), r)
	if err != nil {
		cancel()
		return nil
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Expect", "100-continue")
	h := &held{body: w, end: cancel, answer: make(chan answer, 1)}
	go func() {
		resp, err := u.repo.do(u.verb(), req, http.StatusAccepted) //nolint:bodyclose // release and use do it
		_ = r.CloseWithError(io.ErrClosedPipe)                     // whoever still writes is let go
		h.answer <- answer{resp, err}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-begun:
		return h
	case <-late.C:
		u.repo.mute.Store(true)
		cancel()
		return nil
	case a := <-h.answer:
		if a.err == nil {
			a.resp.Body.Close()
		}
		cancel()
		return nil
	case <-ctx.Done():
		cancel()
		return nil
	}
}

// release ends the request without a body.
func (h *held) release() {
	if h == nil {
		return
	}
	_ = h.body.Close()
	if a := <-h.answer; a.err == nil {
		a.resp.Body.Close()
	}
	h.end()
}

// use sends the bytes of the upload up to an offset with the held request.
func (h *held) use(u *upload, to int64) error {
	if h == nil {
		return io.ErrClosedPipe
	}
	defer h.end()
	_, err := io.Copy(h.body, io.NewSectionReader(u.src, u.offset, to-u.offset))
	_ = h.body.CloseWithError(err) // nil ends the body as it should
	a := <-h.answer
	if a.err != nil {
		return a.err
	}
	a.resp.Body.Close()
	u.repo.opts.Moved(to - u.offset)
	return u.moved(next(a.resp), to)
}
