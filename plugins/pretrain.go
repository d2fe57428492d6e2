package plugins

import (
	"context"
	"io"
	"time"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Trainer learns from curated datasets, one small step after the other. When the state is saved, where it is
// kept and how a training that was interrupted goes on is the framework's.
type Trainer interface {
	// Step does the next unit of work, such as one optimiser step, and says how far the training is. done is
	// true when nothing is left. After an error the trainer is not used again. When a run is interrupted, ctx
	// ends a moment later (see Grace), so that the step under way can be finished and saved.
	Step(ctx context.Context) (p Progress, done bool, err error)
	// Save writes the whole state: weights, moments of the optimiser, schedule, every random generator,
	// position in the data, curve and best weights so far. It changes nothing. It is called between steps.
	Save(w io.Writer) error
	// Load goes back to a saved state; the steps after it give the same bytes as if nothing had happened. It
	// is called on a fresh trainer, which is thrown away if it fails.
	Load(r io.Reader) error
	// Export writes the finished model: weights, model.json, curve.json, a card.
	Export(out Output) error
}

// Checkpoints keep the states of one training, for the host that runs it.
type Checkpoints interface {
	// Latest opens the newest state that is fit for use, and says after how many steps it was saved. A nil
	// state means that there is none.
	Latest() (state io.ReadCloser, step int64, err error)
	// Put keeps what save writes, the state after so many steps.
	Put(step int64, save func(io.Writer) error) error
}

// Interval says how often the state of a training is saved: after so many steps or so much time, whichever is
// first. A field that is zero sets no bound; if both are, it is DefaultInterval. It never changes the bytes.
type Interval struct {
	Steps int64
	Time  time.Duration
}

// DefaultInterval is what a kill may cost.
var DefaultInterval = Interval{Time: 30 * time.Second}

// passed says whether a state that old is due to be saved again.
func (i Interval) passed(steps int64, age time.Duration) bool {
	if i == (Interval{}) {
		i = DefaultInterval
	}
	return i.Steps > 0 && steps >= i.Steps || i.Time > 0 && age >= i.Time
}

// Grace is how long a training goes on after it was interrupted, to finish the step it is at.
const Grace = time.Second

// Linger returns a context that ends Grace after ctx does. What a trainer reads from lives as long.
func Linger(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(Grace, cancel) })
	return lasting, func() { stop(); cancel() }
}

// Pretrain makes a plugin of kind pretrain. Its inputs are named by the ids of the datasets.
func Pretrain[P any](spec catalog.Spec, defaults P, start func(ctx context.Context, p P, seed uint64, workers int, data []*Curated) (Trainer, error)) Plugin {
	spec, decode := typed(spec, catalog.Pretrain, defaults)
	return Plugin{
		spec:      spec,
		normalise: normaliser(decode),
		run: func(ctx context.Context, c Call) error {
			p, err := decode(c.Params)
			if err != nil {
				return err
			}
			data, err := openAll(c.Inputs)
			if err != nil {
				return err
			}
			t := &training{Call: c, start: func() (Trainer, error) { return start(ctx, p, c.Seed, c.Workers, data) }}
			return t.run(ctx)
		},
	}
}

func openAll(inputs []Input) ([]*Curated, error) {
	var data []*Curated
	for _, in := range inputs {
		d, err := OpenCurated(in.Tree)
		if err != nil {
			return nil, err
		}
		data = append(data, d)
	}
	return data, nil
}
