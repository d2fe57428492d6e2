package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
)

// saveEvery is how much of a shard a kill costs at most, unless Options say otherwise.
const saveEvery = 64 << 20

// shards is a list of files that is written, or was, as the shards of a dataset: each an upload of the store, so that
// what was saved of one outlives the process, and nothing of it is hashed again.
type shards struct {
	store  cas.Uploader
	name   string
	files  []artifact.Entry
	spans  []artifact.Span
	sums   []artifact.Sum
	supply plugins.Supply
	every  int64
	memory *cas.Memory // has the shard of a small list; nil for others
}

// smallList is how large a list may be, in bytes of its shard, that is written in memory: there is nothing in it that a
// kill could cost.
const smallList = 256 << 10

// Take writes a list of files, sorted by path, into the shards of the artifact, several at a time. It returns the
// sum of each.
func (o *Output) Take(ctx context.Context, files []plugins.Entry, supply plugins.Supply) ([]artifact.Sum, error) {
	if o.list != nil {
		return nil, errors.New("take files: a list was taken before")
	}
	return o.takeList(ctx, files, supply)
}

func (o *Output) takeList(ctx context.Context, files []artifact.Entry, supply plugins.Supply) ([]artifact.Sum, error) {
	if err := artifact.CheckEntries(files); err != nil {
		return nil, fmt.Errorf("take files: %w", err)
	}
	l := &shards{store: o.store, name: o.name, files: files, spans: artifact.Shards(files), sums: make([]artifact.Sum, len(files)), supply: supply, every: o.every}
	if size := l.size(); size <= min(smallList, l.every) {
		l.memory = cas.NewMemory()
	}
	o.list = l
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.workers)
	for n := range l.spans {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return l.write(ctx, n)
		})
	}
	return l.sums, group.Wait()
}

func (l *shards) upload(n int) (*cas.Upload, error) {
	if l.memory != nil {
		return l.memory.Upload(fmt.Sprintf("%s-%05d", l.name, n))
	}
	return l.store.Upload(fmt.Sprintf("%s-%05d", l.name, n))
}

// size is that of all shards, about.
func (l *shards) size() int64 {
	var n int64
	for _, f := range l.files {
		n += f.Size + headers
	}
	return n
}

// headers is what a file takes in a shard beside its content, at least.
const headers = 1 << 10

func (l *shards) part(n int) []artifact.Entry { return l.files[l.spans[n].From:l.spans[n].To] }

// write writes a shard, or what is left of it.
func (l *shards) write(ctx context.Context, n int) (err error) {
	u, err := l.upload(n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	s := &shard{ctx: ctx, list: l, span: l.spans[n], files: l.part(n), plan: planOf(l.part(n)), sums: l.sums[l.spans[n].From:l.spans[n].To], hash: sha256.New()}
	if u.Offset() > 0 && !s.resume(u) {
		if err := u.Discard(); err != nil {
			return err
		}
		if u, err = l.upload(n); err != nil {
			return err
		}
	}
	if s.done == len(s.files) {
		return nil
	}
	err = s.run(u)
	if s.wrong {
		err = errors.Join(err, u.Discard())
	}
	return err
}

// commit gives the shards their names in the store.
func (l *shards) commit(ctx context.Context, c *artifact.Contents) error {
	c.Files, c.Sums = l.files, l.sums
	for n, span := range l.spans {
		u, err := l.upload(n)
		if err != nil {
			return err
		}
		d, size, err := u.Commit(ctx)
		err = errors.Join(err, u.Close())
		if err == nil && l.memory != nil {
			err = l.move(ctx, d)
		}
		if err != nil {
			return err
		}
		c.Shards = append(c.Shards, artifact.Shard{Span: span, Digest: d, Size: size})
	}
	return nil
}

// move brings a shard out of memory.
func (l *shards) move(ctx context.Context, d digest.Digest) error {
	r, err := l.memory.Open(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	_, _, err = l.store.Put(ctx, d, r)
	return err
}

func (l *shards) discard() error {
	var all []error
	for n := range l.spans {
		u, err := l.upload(n)
		if err == nil {
			err = u.Discard()
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// shard is one that is being written.
type shard struct {
	ctx   context.Context // of the one call of Take
	list  *shards
	span  artifact.Span
	files []artifact.Entry
	sums  []artifact.Sum

	// The shard is at byte at of the content of file done, whose header is written.
	done  int
	at    int64
	hash  hash.Hash // of that content
	begun bool      // false before the header of the first file
	wrong bool      // a file is not what it should be

	plan   digest.Digest // of its files
	upload *cas.Upload
	pipe   *pipe
	since  int64 // bytes since the last save
}

// note is what is kept with an upload.
type note struct {
	Plan digest.Digest `json:"plan"` // paths and sizes of the files
	Done int           `json:"done"`
	At   int64         `json:"at"`
	Hash []byte        `json:"hash"`
	Sums []byte        `json:"sums"`
}

func planOf(files []artifact.Entry) digest.Digest {
	h := digest.SHA256.Digester()
	var b []byte
	for _, f := range files {
		b = fmt.Appendf(b[:0], "%d %q\n", f.Size, f.Path)
		h.Hash().Write(b)
	}
	return h.Digest()
}

// resume takes up what an earlier process has left, and says whether it is of use.
func (s *shard) resume(u *cas.Upload) bool {
	var n note
	if json.Unmarshal(u.Note(), &n) != nil || n.Plan != s.plan || n.Done < 0 || n.Done > len(s.files) || len(n.Sums) != n.Done*sha256.Size {
		return false
	}
	at, err := artifact.ContentAt(s.files, n.Done)
	if err != nil || at+n.At != u.Offset() {
		return false
	}
	hash := sha256.New()
	if hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(n.Hash) != nil {
		return false
	}
	for i := range n.Done {
		copy(s.sums[i][:], n.Sums[i*sha256.Size:])
	}
	s.done, s.at, s.hash, s.begun = n.Done, n.At, hash, true
	return true
}

// run writes the rest of the shard. Reading and the sums of the files are ahead of writing and the sum of the shard.
func (s *shard) run(u *cas.Upload) error {
	s.upload, s.pipe = u, newPipe(u, s.list.size())
	base := s.done
	content := func(i int, at int64, w io.Writer) error { return s.content(base+i, at, w) }
	var err error
	if s.begun {
		err = artifact.ResumeShard(s.pipe, s.files[base:], s.at, content)
	} else {
		err = artifact.WriteShard(s.pipe, s.files, content)
	}
	if err := errors.Join(err, s.pipe.close()); err != nil {
		return err
	}
	return s.save()
}

// content writes the rest of a file.
func (s *shard) content(i int, at int64, w io.Writer) error {
	s.done, s.at = i, at
	if err := s.list.supply.Write(s.ctx, s.span.From+i, at, &saving{s, w}); err != nil {
		return err
	}
	if s.at != s.files[i].Size {
		return nil // the caller says how many bytes are missing
	}
	s.hash.Sum(s.sums[i][:0])
	s.hash.Reset()
	s.done, s.at = i+1, 0
	err := s.list.supply.Check(s.span.From+i, s.sums[i])
	s.wrong = err != nil
	return err
}

// saving is the content of a file on its way into the shard.
type saving struct {
	*shard
	w io.Writer
}

func (s *saving) Write(p []byte) (int, error) {
	if s.since >= s.list.every { // here file and hash are both where the shard is
		if err := s.pipe.drain(); err != nil {
			return 0, err
		}
		if err := s.save(); err != nil {
			return 0, err
		}
	}
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.at += int64(n)
	s.since += int64(n)
	return n, err
}

func (s *shard) save() error {
	state, err := s.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	n := note{Plan: s.plan, Done: s.done, At: s.at, Hash: state, Sums: make([]byte, 0, s.done*sha256.Size)}
	for _, sum := range s.sums[:s.done] {
		n.Sums = append(n.Sums, sum[:]...)
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	s.since = 0
	return s.upload.Save(text)
}
