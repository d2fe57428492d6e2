package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/sigstore"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// trustFile is the trust policy of a home.
const trustFile = "trust.yaml"

// homeKey is what the key of a home is called where a policy does not name it.
const homeKey = "this home"

// policy says whose signatures count: --trust, CAIRN_TRUST, or trust.yaml of the home. Where there is none, the key of the
// home is known, all other signers are told, and nobody is refused.
func (a *app) policy(w *workshop) (*trust.Policy, error) {
	file := a.trust
	if file == "" {
		file = a.getenv("CAIRN_TRUST")
	}
	asked := file != ""
	if !asked {
		file = filepath.Join(w.dir, trustFile)
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return a.ownPolicy(w)
	case err != nil:
		return nil, &usageError{fmt.Errorf("trust policy: %w", err)}
	}
	p, err := trust.Parse(display(file), text)
	if err == nil && p.Roots != "" {
		p.Bundles, err = roots(filepath.Dir(file), p)
	}
	if err != nil {
		return nil, &usageError{err}
	}
	return p, nil
}

// roots reads the trusted root of a policy, which lies in a folder.
func roots(dir string, p *trust.Policy) (trust.Bundles, error) {
	file := p.Roots
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: roots: %w", p.Name, err)
	}
	j, err := sigstore.New(text)
	if err != nil {
		return nil, fmt.Errorf("%s: roots: %s: %w", p.Name, display(file), err)
	}
	return j, nil
}

// ownPolicy knows the key of the home, if there is one yet.
func (a *app) ownPolicy(w *workshop) (*trust.Policy, error) {
	if _, err := os.Stat(keys.File(w.dir)); err != nil && a.getenv("CAIRN_KEY") == "" {
		return trust.Nobody(), nil
	}
	k, err := w.key.Known()
	if err != nil {
		return nil, &usageError{err}
	}
	return trust.Known("the key of this home", trust.Key{Name: homeKey, Public: k}), nil
}

// trusted is what a store that homes share asks of an entry. The policy is read each time: a worker lives for weeks, and a key
// that is taken out of the file counts no more from then on.
func (a *app) trusted(w *workshop) func(context.Context, actioncache.Entry) (string, error) {
	return func(ctx context.Context, e actioncache.Entry) (string, error) {
		p, err := a.policy(w)
		if err != nil {
			return "", err
		}
		return a.vouched(ctx, w, p, e)
	}
}

// vouched says why the record of an entry that comes from elsewhere does not count, "" if it does: the policy, or the key
// of this home, vouches for it. beside are records that were attached to its own.
func (a *app) vouched(ctx context.Context, w *workshop, p *trust.Policy, e actioncache.Entry, beside ...digest.Digest) (string, error) {
	var signed []envelope.Envelope
	var kind string
	var finished time.Time
	for i, d := range append([]digest.Digest{e.Record}, beside...) {
		r, err := attest.Read(ctx, w.store, d)
		if err != nil {
			return fmt.Sprintf("its record cannot be read: %v", err), nil
		}
		about := r.Predicate.BuildDefinition.ExternalParameters
		if about.ID != e.Action || r.Artifact() != e.Artifact {
			return fmt.Sprintf("its record %s is about something else", d), nil
		}
		if r.Envelope != nil {
			signed = append(signed, *r.Envelope)
		}
		if i == 0 {
			kind, finished = about.Action.Plugin.Kind, r.Predicate.RunDetails.Metadata.FinishedOn
		}
	}
	j := p.Judge(kind, finished, signed...)
	if j.OK() {
		return "", nil
	}
	if own, err := a.ownPolicy(w); err == nil && own.Judge(kind, finished, signed...).OK() {
		return "", nil
	}
	if len(signed) == 0 {
		return "its record is not signed", nil
	}
	return fmt.Sprintf("its record does not count here (%s): %s; `cairn key show` tells a key, and %s says whose count", p.Name, j.Why(), filepath.Join(display(w.dir), trustFile)), nil
}

// formerKeys are those that have signed the ledger of a home before CAIRN_KEY named another one.
func (a *app) formerKeys(dir string) []trust.PublicKey {
	if a.getenv("CAIRN_KEY") == "" {
		return nil
	}
	k, err := keys.Load(keys.File(dir))
	if err != nil {
		return nil
	}
	public, err := k.Known()
	if err != nil {
		return nil
	}
	return []trust.PublicKey{public}
}
