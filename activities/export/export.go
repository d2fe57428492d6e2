// Package export brings a curated dataset out of the store, in a format that programs read which know nothing of
// Cairn. What the files say is that of manifests/exchange; where they lie is here:
//
//	climb       annotation_<split>.jsonl, and images/, videos/, signals/ and files/ with <split>/<id>; <dataset>_splits.csv where
//	            there are signals
//	webdataset  <split>-000000.tar and so on, the shards of the artifact byte for byte unless one holds two sides, samples.jsonl, dataset.json;
//	            with labels inside, new shards in the order of the ids, with a .json and a .cls beside each sample's media
//	parquet     labels.parquet
//	dir         <split>/<class>/<id>.<ext>; of a multilabel task <split>/<id>.<ext> and <split>/labels.csv
//	croissant   croissant.json, samples.parquet and the shards; of data that may not be passed on, croissant.json with counts
//
// Each of them also has export.json, NOTICE.txt with licence and access, and SHA256SUMS.
//
// What is told of a whole benchmark (Crate, File) is made by the packages below manifests/exchange from a dossier, which Gather reads out of
// the store.
//
// An export is there as a whole or not at all. Twice the same gives the same bytes, whatever the number of workers. One
// sample for each worker is held in memory, and never the list of them. Data that may not be passed on are exported like all others, to a folder
// that only its owner can open, and whose notice says so.
package export

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/croissant"
)

// Options say what is exported and where to.
type Options struct {
	Format  string
	Dir     string // does not exist or is empty
	Force   bool   // an earlier export at Dir is replaced
	Labels  bool   // webdataset only: the labels go into the shards
	Workers int    // how many samples are written side by side; 0 is one

	About croissant.About // croissant only: what the benchmark says of the dataset
}

// FormatError says that there is no such format, or that it cannot do what it is asked for.
type FormatError struct{ Why string }

func (e *FormatError) Error() string { return e.Why }

// job is one export.
type job struct {
	ctx  context.Context // of the one call of Write
	set  *curated.Dataset
	out  *folder
	doc  *exchange.Export
	opts Options
}

// Write writes an export and returns what it says of itself. restricted says why the data may not be passed on, "" if they may.
func Write(ctx context.Context, d *curated.Dataset, restricted string, o Options) (exchange.Export, error) {
	run, err := o.writer()
	if err != nil {
		return exchange.Export{}, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return exchange.Export{}, err
	}
	if err := checkTarget(o.Dir, o.Force); err != nil {
		return exchange.Export{}, err
	}
	out, err := newFolder(o.Dir)
	if err != nil {
		return exchange.Export{}, err
	}
	doc := exchange.New(o.Format, d.Artifact, d.Info, restricted)
	j := &job{ctx: ctx, set: d, out: out, doc: &doc, opts: o}
	if err = run(j); err == nil {
		err = out.finish(o.Dir, &doc, o.Force)
	}
	if clean := out.discard(); err == nil {
		err = clean
	}
	if err != nil {
		return doc, fmt.Errorf("export %s as %s: %w", d.Info.ID, o.Format, err)
	}
	return doc, nil
}

func (o Options) writer() (func(*job) error, error) {
	formats := map[string]func(*job) error{
		exchange.Climb: writeClimb, exchange.WebDataset: writeShards, exchange.Parquet: writeTable, exchange.Dir: writeDir,
		exchange.Croissant: writeCroissant,
	}
	run, ok := formats[o.Format]
	switch {
	case !ok:
		return nil, &FormatError{fmt.Sprintf("there is no format %q: there are %s", o.Format, strings.Join(exchange.Formats(), ", "))}
	case o.Labels && o.Format != exchange.WebDataset:
		return nil, &FormatError{fmt.Sprintf("labels go into the shards of %s; %s has them anyhow", exchange.WebDataset, o.Format)}
	case o.Labels:
		return writeLabelled, nil
	}
	return run, nil
}

// each prepares the files of all samples, side by side, and takes what was made in the order of the samples.
func each[T any](j *job, prepare func(document.Sample) (T, error), take func(document.Sample, T) error) error {
	var batch []document.Sample
	flush := func() error {
		made := slices.Repeat([]T{*new(T)}, len(batch))
		g, ctx := errgroup.WithContext(j.ctx)
		g.SetLimit(max(1, j.opts.Workers))
		for i, s := range batch {
			g.Go(func() (err error) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				made[i], err = prepare(s)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i, s := range batch {
			j.doc.Samples[s.Split]++
			if err := take(s, made[i]); err != nil {
				return err
			}
		}
		batch = batch[:0]
		return nil
	}
	for s, err := range j.set.Samples() {
		if err != nil {
			return err
		}
		if batch = append(batch, s); len(batch) == 4*max(1, j.opts.Workers) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
