package eeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/edf"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
)

// maxValues is how many values of all channels a recording may have, before and after resampling: some 5 hours of
// 16 channels at 200 Hz. A recording is held as a whole, so that its windows do not decode it again.
const maxValues = 1 << 26

// firstRoom is how many samples of a signal have their place before they are there, which a header alone can claim.
const firstRoom = 1 << 20

// maxUp is by how much a rate may be raised: a small file must not become many windows.
const maxUp = 10

// maxNotes is how many annotations a recording may have.
const maxNotes = 1 << 20

// stretch is a part of a recording without gaps.
type stretch struct {
	begin float64 // seconds since the start of the file
	from  int     // samples a signal
	at, n int     // resampled samples: the first, counted over all stretches, and how many
}

// outline is what is known of a recording before its samples are resampled.
type outline struct {
	header    *edf.Header
	rows      []row
	filter    *signal.Resampler
	stretches []stretch
	total     int // resampled samples a channel
	notes     []edf.Annotation
}

// recording is an outline with its samples.
type recording struct {
	outline
	channels [][]float32
}

// outlineOf reads a header, and beyond it only where the header does not say where the samples are in time.
func (r *recipe) outlineOf(ctx context.Context, in plugins.Tree, f plugins.File) (*outline, error) {
	file, err := in.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, err := edf.NewReader(file)
	if err != nil {
		return nil, plugins.Exclude("bad-header", "%s: %v", f.Path, err)
	}
	o, err := r.begin(reader.Header)
	if err != nil {
		return nil, err
	}
	if want := o.header.FileBytes(); want >= 0 && want != f.Size {
		return nil, plugins.Exclude("wrong-size", "%s has %d bytes, its header announces %d", f.Path, f.Size, want)
	}
	if o.header.Records >= 0 && o.header.Kind != edf.Discontinuous && r.Events.From == None {
		o.stretches = []stretch{{from: o.header.Records * o.perRecord()}}
		return o, o.resampled(r.Rate)
	}
	if err := o.scan(ctx, reader, nil); err != nil {
		return nil, plugins.Exclude("bad-record", "%s: %v", f.Path, err)
	}
	return o, o.resampled(r.Rate)
}

// begin finds the channels.
func (r *recipe) begin(h *edf.Header) (*outline, error) {
	found, err := rows(h, r.montage)
	if err != nil {
		return nil, err
	}
	rate := h.Rate(found[0].plus)
	if float64(rate*maxUp) < float64(r.Rate) {
		return nil, plugins.Exclude("sampling-rate", "%v Hz is less than 1/%d of the %d Hz it should become", rate, maxUp, r.Rate)
	}
	filter, err := signal.NewResampler(rate, r.Rate)
	if err != nil {
		return nil, plugins.Exclude("sampling-rate", "%v", err)
	}
	return &outline{header: h, rows: found, filter: filter}, nil
}

func (o *outline) perRecord() int { return o.header.Signals[o.rows[0].plus].PerRecord }

// scan reads all records for their times and annotations and gives each to take.
func (o *outline) scan(ctx context.Context, reader *edf.Reader, take func(*edf.Record)) error {
	half := 0.5 / o.header.Rate(o.rows[0].plus)
	due := math.Inf(-1)
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if math.Abs(rec.Start-due) > half {
			o.stretches = append(o.stretches, stretch{begin: rec.Start})
		}
		due = rec.Start + o.header.Duration
		last := &o.stretches[len(o.stretches)-1]
		last.from += o.perRecord()
		if o.notes = append(o.notes, rec.Annotations...); len(o.notes) > maxNotes {
			return fmt.Errorf("more than %d annotations", maxNotes)
		}
		if take != nil {
			take(rec)
		}
	}
}

// resampled says where the samples of every stretch come to lie.
func (o *outline) resampled(rate int) error {
	before := 0
	for i := range o.stretches {
		s := &o.stretches[i]
		before += s.from
		if most := maxValues / len(o.rows); before > most {
			return plugins.Exclude("long-recording", "%d channels of more than %d samples, the limit is %d values", len(o.rows), most, maxValues)
		}
		s.at, s.n = o.total, o.filter.Outputs(s.from)
		o.total += s.n
	}
	if o.total > maxValues/len(o.rows) {
		return plugins.Exclude("long-recording", "%d channels of %d samples at %d Hz, the limit is %d values", len(o.rows), o.total, rate, maxValues)
	}
	return nil
}

// load reads and resamples a whole recording.
func (r *recipe) load(ctx context.Context, in plugins.Tree, path string) (*recording, error) {
	file, err := in.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, err := edf.NewReader(file)
	if err != nil {
		return nil, err
	}
	o, err := r.begin(reader.Header)
	if err != nil {
		return nil, err
	}
	raw := map[int][]int16{}
	used := signals(o.rows)
	err = o.scan(ctx, reader, func(rec *edf.Record) {
		for _, at := range used {
			if raw[at] == nil && reader.Header.Records > 0 {
				raw[at] = make([]int16, 0, min(reader.Header.Records*len(rec.Samples[at]), firstRoom))
			}
			raw[at] = append(raw[at], rec.Samples[at]...)
		}
	})
	if err == nil {
		err = o.resampled(r.Rate)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return o.resample(raw)
}

func (o *outline) resample(raw map[int][]int16) (*recording, error) {
	out := &recording{outline: *o}
	var x, y []float64 // the same memory for every row
	for row, c := range o.rows {
		channel := make([]float32, o.total)
		from := 0
		for _, s := range o.stretches {
			x = slices.Grow(x[:0], s.from)[:s.from]
			for _, part := range []struct {
				at   int
				away bool
			}{{c.plus, false}, {c.minus, true}} {
				if part.at < 0 {
					continue
				}
				if err := microvolts(x, o.header.Signals[part.at], raw[part.at][from:from+s.from], part.away); err != nil {
					return nil, err
				}
			}
			z := o.filter.RunInto(y, x, s.n)
			for i, v := range z {
				f := float32(v)
				if channel[s.at+i] = f; f-f != 0 { // infinite, or no number
					return nil, plugins.Exclude("out-of-range", "row %d has values beyond any voltage", row)
				}
			}
			if !o.filter.Same() {
				y = z
			}
			from += s.from
		}
		out.channels = append(out.channels, channel)
	}
	return out, nil
}
