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
		e := Estimate{Unpacks: list.hasArchive()}
		if total, unknown := list.total(); unknown == 0 {
			e.Bytes = total
		} else {
			e.Bytes = -1
		}
		return e, nil
	}
	return Estimate{Bytes: -1}, nil
}
