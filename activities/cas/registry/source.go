package registry

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// source is the bytes of a blob.
type source struct {
	digest digest.Digest
	size   int64
	io.ReaderAt
}

// rest reads the source from an offset to its end. Of a file that is a handle of its own, which the kernel sends
// without a copy through this process.
func (s source) rest(from int64) io.ReadCloser {
	part := io.NopCloser(io.NewSectionReader(s, from, s.size-from))
	f, ok := s.ReaderAt.(*os.File)
	if !ok {
		return part
	}
	f, err := os.Open(f.Name())
	if err != nil {
		return part // it has no name any more
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		_ = f.Close()
		return part
	}
	return f
}

// verify refuses a source whose bytes are not those of its digest.
func (s source) verify(ctx context.Context) error {
	h := digest.SHA256.Digester()
	part := io.NewSectionReader(s, 0, s.size)
	buf := make([]byte, 128<<10)
	for ctx.Err() == nil {
		n, err := part.Read(buf)
		h.Hash().Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if got := h.Digest(); got != s.digest && ctx.Err() == nil {
		return &cas.MismatchError{Want: s.digest, Got: got}
	}
	return ctx.Err()
}

// tick is how often a file that is being sent is looked at.
const tick = 200 * time.Millisecond

// watch tells how far the sending of a body has come, until it is stopped. What the kernel sends passes through no
// reader of ours, but moves the position of the file.
func watch(body io.ReadCloser, from, to int64, moved func(int64)) (stop func(whole bool)) {
	f, ok := body.(*os.File)
	if !ok {
		return func(whole bool) {
			if whole {
				moved(to - from)
			}
		}
	}
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-ended:
				return
			case <-t.C:
				if at, err := f.Seek(0, io.SeekCurrent); err == nil && at > from {
					moved(at - from)
					from = at
				}
			}
		}
	}()
	return func(whole bool) {
		close(ended)
		<-stopped
		if whole {
			moved(to - from)
		}
	}
}
