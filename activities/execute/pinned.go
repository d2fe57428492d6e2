package execute

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/plugins"
)

// fewFiles are named in an error. It stays in a history, so it has to be short.
const fewFiles = 3

// found looks for the result of an action that is locked. before is what was there when the lock was asked for.
func (e *Executor) found(ctx context.Context, id action.ID, want activities.Wanted, before digest.Digest, try Attempt) (actioncache.Entry, actioncache.Miss, error) {
	if pin := want.Holds(); pin != "" {
		if entry, miss, err := e.Cache.Gave(ctx, id, pin); err != nil || miss.Reason == "" {
			return entry, miss, err
		}
	}
	entry, miss, err := e.Cache.Get(ctx, id)
	if err == nil && miss.Reason == "" && want.Fresh != "" && entry.Record == before && !want.Accepted(entry.Artifact, entry.Against) && !e.ours(ctx, entry, try) {
		miss.Reason = "asked for again"
	}
	return entry, miss, err
}

// peek is the record of the result of an action, "" if there is none.
func (e *Executor) peek(id action.ID) digest.Digest {
	entry, err := e.Cache.Peek(id)
	if err != nil {
		return ""
	}
	return entry.Record
}

// ours says whether this run has made a result itself, in an earlier try.
func (e *Executor) ours(ctx context.Context, entry actioncache.Entry, try Attempt) bool {
	st, err := attest.Read(ctx, e.Store, entry.Record)
	return err == nil && try.Invocation != "" && st.Predicate.RunDetails.Metadata.InvocationID == try.Invocation
}

// against is the lock that a result is accepted against, "" if there is none.
func against(want activities.Wanted) digest.Digest {
	if want.Fresh == activities.NoLock {
		return ""
	}
	return want.Fresh
}

// pinned refuses another artifact than the lock's, and says which files differ and who has changed his mind.
func (e *Executor) pinned(ctx context.Context, req activities.ExecuteRequest, a action.Action, got digest.Digest) error {
	if pin := req.Holds(); pin == "" || got == pin {
		return nil
	}
	c, err := Compare(ctx, e.Store, Given{Artifact: req.Pinned}, got, a)
	if err != nil {
		return err
	}
	if c.Code == drift.Repacked {
		return nil
	}
	c.Dataset, c.State = path.Base(req.Step), drift.Refused
	return activities.Drifted(c.Report, fmt.Errorf("%s is not what the lock has [%s]: %s\n%s\n`cairn run MANIFEST --update %s` accepts it", req.Step, c.Code, c.Text, c.Differences(fewFiles), c.Dataset))
}

// disputed says more of a file that was refused, if there is a lock to compare with.
func (e *Executor) disputed(ctx context.Context, req activities.ExecuteRequest, a action.Action, err error) error {
	d, ok := errors.AsType[*plugins.Dispute](err)
	if !ok || req.Pinned == "" || ctx.Err() != nil {
		return err
	}
	was := Given{Action: req.Was.Digest(), Artifact: req.Pinned}
	v := e.file(ctx, was, a, d).Judge()
	err = fmt.Errorf("%w\n%s: %s", err, v.Code, v.Text)
	if activities.ClassOf(activities.Kind(err)).Again != activities.Never { // a transfer that was damaged may be right the next time
		return err
	}
	return activities.Drifted(drift.Report{Dataset: path.Base(req.Step), State: drift.Refused, Verdict: v, Path: d.Path, Lock: req.Pinned}, err)
}

// file collects what lock, list and bytes say of a file.
func (e *Executor) file(ctx context.Context, was Given, a action.Action, d *plugins.Dispute) drift.File {
	f := drift.File{Path: d.Path, Ref: d.Ref, List: d.List, Want: d.Want, Sum: d.Sum.String(), Said: d.Manifest, Got: d.Got, Varies: plugins.FaultCode(d) == plugins.FaultDamaged}
	f.Lock = fileOf(ctx, e.Store, was.Artifact, d.Path)
	sum := d.Want
	if d.Manifest != "" {
		sum = d.Manifest
	}
	_, text, _ := strings.Cut(sum.String(), ":")
	if sum == "" {
		text = d.Sum.Encoded()
	}
	before := a // the lock's, where the pin holds
	if was.Action != "" {
		before, f.Edits = edits(ctx, e.Store, was.Action, a)
	}
	f.OldSum = text != "" && strings.Contains(string(before.Params), text)
	if f.Lock == "" && was.Action == "" && f.OldSum && sum != "" && sum == d.Want {
		f.Lock = sum // nothing else can have been taken in then
	}
	return f
}
