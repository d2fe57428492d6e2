package plugins

import (
	"context"
	"encoding/json"
)

// Estimate is what a source knows of itself before anything is fetched. The room that a fetch takes follows from it
// (manifests/plan).
type Estimate struct {
	Bytes   int64 // to fetch, -1 if that is not known
	Unpacks bool  // it holds archives that are unpacked
}

// Add takes a file into account, whose size may not be known.
func (e *Estimate) Add(size *int64) {
	if size == nil || e.Bytes < 0 {
		e.Bytes = -1
		return
	}
	e.Bytes += *size
}

// EstimatedSource is a Source that knows something of that without the network: from its parameters alone.
type EstimatedSource interface {
	Source
	Estimate() Estimate
}

// Estimate says what a fetch is to bring, without the network. Of a source that lies on this machine it is what it holds.
func (p Plugin) Estimate(ctx context.Context, params json.RawMessage, env Env) (Estimate, error) {
	if p.estimate == nil {
		return Estimate{Bytes: -1}, nil
	}
	return p.estimate(ctx, params, env)
}

func estimateOf(ctx context.Context, src Source) (Estimate, error) {
	switch s := src.(type) {
	case EstimatedSource:
		return s.Estimate(), nil
	case LocalSource:
		list, err := listed(ctx, s)
		if err != nil {
			return Estimate{}, err
		}
		total, unknown := list.total()
		if unknown > 0 {
			total = -1
		}
		return Estimate{Bytes: total, Unpacks: list.hasArchive()}, nil
	}
	return Estimate{Bytes: -1}, nil
}
