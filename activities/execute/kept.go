package execute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

const (
	keep          = 2 // checkpoints of a training under way: the newest may turn out damaged
	maxCheckpoint = 4 << 10
	maxTrail      = 64 << 10
)

// kept is the checkpoints of one action; it implements plugins.Checkpoints. States and documents are blobs, and
// a small file, the trail, leads to them. The trail is written before the blobs that it names, so that a process
// that is killed in between leaves no blob that nobody knows of. Only who has the lock of the action uses it.
type kept struct {
	ctx    context.Context // not ended by an interruption, which is just when a state is saved
	store  cas.Pruner
	dir    string
	action action.ID
	marks  []mark       // newest first; those of no use last
	steps  atomic.Int64 // that the training takes; 0 while it is not known
	last   digest.Digest
	saved  func(digest.Digest)
	say    func(format string, args ...any)
}

// checkpoints opens those of an action. It returns nil where none are kept.
func (e *Executor) checkpoints(ctx context.Context, kind string, id action.ID, try Attempt, report func(plugins.Progress)) *kept {
	store, ok := e.Store.(cas.Pruner)
	if !ok || e.Checkpoints == "" || kind != string(catalog.Pretrain) {
		return nil
	}
	k := newKept(ctx, store, e.Checkpoints, id)
	k.say = func(format string, args ...any) {
		report(plugins.Progress{Note: fmt.Sprintf(format, args...), News: true})
	}
	if try.Saved != nil {
		k.saved = try.Saved
	}
	e.sweepCheckpoints(ctx, store)
	k.find(try.Checkpoint)
	return k
}

func newKept(ctx context.Context, store cas.Pruner, dir string, id action.ID) *kept {
	return &kept{ctx: context.WithoutCancel(ctx), store: store, dir: dir, action: id, saved: func(digest.Digest) {}, say: func(string, ...any) {}}
}

// sweepCheckpoints removes what processes left that were killed while they wrote a list, or after they had recorded
// the result of a training.
func (e *Executor) sweepCheckpoints(ctx context.Context, store cas.Pruner) {
	_ = cas.Sweep(e.Checkpoints)
	entries, err := os.ReadDir(e.Checkpoints)
	if err != nil {
		return
	}
	for _, entry := range entries {
		hex, ok := strings.CutSuffix(entry.Name(), ".json")
		id := action.ID(digest.NewDigestFromEncoded(digest.SHA256, hex))
		if !ok || id.Digest().Validate() != nil {
			continue
		}
		if _, miss, err := e.Cache.Get(ctx, id); err == nil && miss.Reason == "" {
			k := newKept(ctx, store, e.Checkpoints, id)
			k.find("")
			k.clear()
		}
	}
}

func (k *kept) file(ext string) string { return filepath.Join(k.dir, k.action.Digest().Encoded()+ext) }

// find reads the trail. hint is a checkpoint that was heard of elsewhere, for the case that the trail is lost.
func (k *kept) find(hint digest.Digest) {
	text, err := readSome(k.file(".json"), maxTrail)
	if err == nil {
		var t trail
		t, err = parseTrail(text, k.action)
		k.marks = t.Checkpoints
		k.steps.Store(t.Steps)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.say("the list of checkpoints is not used: %v", err)
	}
	known := slices.ContainsFunc(k.marks, func(m mark) bool { return m.Checkpoint == hint })
	if hint != "" && !known {
		k.marks = append(k.marks, mark{Checkpoint: hint})
	}
}

// heard takes note of how many steps a training takes.
func (k *kept) heard(p plugins.Progress) {
	if k != nil && p.Unit == "steps" && p.Total > 0 {
		k.steps.Store(p.Total)
	}
}

// readSome reads a file of at most limit bytes; of a larger one it reads no more than shows that.
func readSome(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// Latest opens the newest state that is whole. Whatever is wrong with a checkpoint, it is passed over with a
// line that says so.
func (k *kept) Latest() (io.ReadCloser, int64, error) {
	for range len(k.marks) {
		state, step, err := k.open(&k.marks[0])
		if err == nil {
			k.last = k.marks[0].Checkpoint
			return state, step, nil
		}
		k.say("checkpoint %s is not used: %v", k.marks[0].Checkpoint, err)
		k.marks = append(k.marks[1:], k.marks[0])
	}
	return nil, 0, nil
}

// open gives the state of a checkpoint, after its bytes were checked to the end.
func (k *kept) open(m *mark) (io.ReadCloser, int64, error) {
	c, err := k.document(m.Checkpoint)
	if err != nil {
		return nil, 0, err
	}
	m.State = c.State
	whole, err := k.state(c.State)
	if err != nil {
		return nil, 0, err
	}
	_, err = io.Copy(io.Discard, whole)
	if err := errors.Join(err, whole.Close()); err != nil {
		return nil, 0, err
	}
	state, err := k.state(c.State)
	return state, c.Step, err
}

func (k *kept) document(d digest.Digest) (Checkpoint, error) {
	text, err := cas.ReadAll(k.ctx, k.store, d, maxCheckpoint)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(text, k.action)
}

// state opens the blob of a state behind its heading.
func (k *kept) state(d digest.Digest) (io.ReadCloser, error) {
	r, err := k.store.Open(k.ctx, d)
	if err != nil {
		return nil, err
	}
	head := make([]byte, len(heading(k.action)))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != heading(k.action) {
		return nil, errors.Join(fmt.Errorf("blob %s is not a state of this action", d), r.Close())
	}
	return r, nil
}

// Put keeps a state, and collects those that are too many.
func (k *kept) Put(step int64, save func(io.Writer) error) error {
	state, err := k.stage(save)
	defer os.Remove(k.file(".state"))
	if err != nil {
		return err
	}
	text, err := canonical.Marshal(Checkpoint{Schema: CheckpointSchema, Action: k.action, Architecture: runtime.GOARCH, Step: step, State: state, Previous: k.last})
	if err != nil {
		return err
	}
	m := mark{Checkpoint: digest.FromBytes(text), State: state}
	marks := append([]mark{m}, k.marks...)
	if err := k.write(marks); err != nil {
		return err
	}
	if err := k.commit(m, text); err != nil {
		k.drop(m)
		return err
	}
	k.marks, k.last = marks, m.Checkpoint
	k.collect(keep)
	k.saved(m.Checkpoint)
	return nil
}

// stage writes a state to a file beside the trail, to know its digest before it is in the store.
func (k *kept) stage(save func(io.Writer) error) (digest.Digest, error) {
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return "", err
	}
	f, err := os.OpenFile(k.file(".state"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	hash := digest.SHA256.Digester()
	w := io.MultiWriter(f, hash.Hash())
	_, err = io.WriteString(w, heading(k.action))
	if err == nil {
		err = save(w)
	}
	return hash.Digest(), errors.Join(err, f.Close())
}

func (k *kept) write(marks []mark) error {
	text, err := canonical.Marshal(trail{Schema: trailSchema, Action: k.action, Checkpoints: marks, Steps: k.steps.Load()})
	if err != nil {
		return err
	}
	return cas.ReplaceFile(k.dir, k.file(".json"), text)
}

// commit puts the staged state and its document into the store.
func (k *kept) commit(m mark, document []byte) error {
	f, err := os.Open(k.file(".state"))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, err := k.store.Put(k.ctx, m.State, f); err != nil {
		return err
	}
	_, _, err = k.store.Put(k.ctx, m.Checkpoint, bytes.NewReader(document))
	return err
}

// collect leaves the newest checkpoints and removes the others.
func (k *kept) collect(leave int) {
	all := k.marks
	k.marks = all[:min(leave, len(all))]
	for _, m := range all[len(k.marks):] {
		k.drop(m)
	}
}

// drop removes the blobs of a checkpoint, if they are that and no other checkpoint has them: a training that
// started anew gives the same states again. What cannot be removed costs space, not a result.
func (k *kept) drop(m mark) {
	k.dropBlob(m.Checkpoint, beginning(k.action))
	k.dropBlob(m.State, heading(k.action))
}

func (k *kept) dropBlob(d digest.Digest, begins string) {
	if slices.ContainsFunc(k.marks, func(m mark) bool { return m.Checkpoint == d || m.State == d }) {
		return
	}
	r, err := k.store.OpenAt(k.ctx, d)
	if err != nil {
		return
	}
	head := make([]byte, len(begins))
	_, err = r.ReadAt(head, 0)
	_ = r.Close()
	if (err == nil || errors.Is(err, io.EOF)) && string(head) == begins {
		_ = k.store.Remove(k.ctx, d)
	}
}

// clear removes everything. The result of the training is there.
func (k *kept) clear() {
	if k == nil {
		return
	}
	k.collect(0)
	_ = os.Remove(k.file(".state"))
	_ = os.Remove(k.file(".json"))
}
