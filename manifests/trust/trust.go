// Package trust says whose signatures count.
//
// A policy names keys and identities, which kinds of steps each may vouch for and since when, and how many must agree. Every
// verification has one: who has none in mind says so with Nobody, and then who signed is told and nobody is refused.
//
// A time in a policy is compared with the time at which a record says that its step was done. The signer says that, so
// the end of a key's time keeps honest people from using it and does not stop a thief who writes an earlier time; a
// stolen key has to be taken out of the policy.
package trust

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-bench/cairn/manifests/envelope"
)

// Policy says whose signatures count.
type Policy struct {
	Name   string // for people: the file it stands in, or what it is
	Strict bool   // a record for which not enough of its keys vouch is a problem, not a remark
	Ledger bool   // a benchmark without a ledger that counts is a problem
	Keys   []Key
	Rules  []Rule // the first that names a kind decides; no rule at all: everybody known may vouch for everything

	Identities []Identity // vote as keys do, and rules name them as such
	Roots      string     // file of the trusted root by which their bundles are judged, as seen from that of the policy
	Bundles    Bundles    // judges by it; nil: no bundle counts
}

// Key is a key that somebody is known by.
type Key struct {
	Name         string
	Public       PublicKey
	Since, Until time.Time // the zero time: always; until is exclusive
}

// Rule says who may vouch for kinds of steps.
type Rule struct {
	Kinds []string // of steps: fetch, curate, pretrain, evaluate, publish; and verify, for verdicts; none stands for all
	Keys  []string // names of keys and identities; none stands for all
	Agree int      // how many of them must have signed, 1 or more
}

// Nobody is the policy of those who know no key: it is told who signed, and nobody is refused for it.
func Nobody() *Policy { return &Policy{Name: "none"} }

// Known is a policy of a few keys that refuses nobody: it is told who else signed.
func Known(name string, keys ...Key) *Policy { return &Policy{Name: name, Keys: keys} }

// Judgement is what a policy says of the envelopes of a step.
type Judgement struct {
	By      []string // names of the keys and identities that vouch, sorted
	Unknown []string // key IDs of signatures that no key of the policy can check, and signers of bundles, sorted
	Wrong   string   // a signature that claims a key of the policy and is not of it, or that is barred; "" if there is none
	Need    int      // how many must vouch
}

// OK says whether enough vouch.
func (j Judgement) OK() bool { return j.Wrong == "" && len(j.By) >= j.Need && j.Need > 0 }

// Why says what is missing, in a line.
func (j Judgement) Why() string {
	if j.Wrong != "" {
		return j.Wrong
	}
	by := "nobody whom the policy lets vouch for it"
	if len(j.By) > 0 {
		by = strings.Join(j.By, ", ")
	}
	if len(j.Unknown) > 0 {
		by += "; signed by " + strings.Join(j.Unknown, ", ") + ", unknown to the policy"
	}
	if j.Need == 0 {
		return "the policy lets nobody vouch for it: " + by
	}
	return fmt.Sprintf("%d of %d that must vouch: %s", len(j.By), j.Need, by)
}

// Judge says who vouches for a step of a kind that was finished at a time.
func (p *Policy) Judge(kind string, finished time.Time, all ...envelope.Envelope) Judgement {
	allowed, need := p.rule(kind)
	j := Judgement{Need: need}
	for _, e := range all {
		if e.Bundle != nil {
			p.judgeBundle(&j, e, allowed)
			continue
		}
		signed := e.Signed()
		for _, s := range e.Signatures {
			p.judge(&j, s, signed, allowed, finished)
		}
	}
	slices.Sort(j.By)
	slices.Sort(j.Unknown)
	j.By, j.Unknown = slices.Compact(j.By), slices.Compact(j.Unknown)
	return j
}

// Signed says which keys of a policy have signed something that is not of a step. One is enough, and its time does not
// matter, as nothing says when it was.
func (p *Policy) Signed(e envelope.Envelope) Judgement {
	every := Policy{Name: p.Name}
	for _, k := range p.Keys {
		every.Keys = append(every.Keys, Key{Name: k.Name, Public: k.Public})
	}
	return every.Judge("", time.Time{}, e)
}

func (p *Policy) judge(j *Judgement, s envelope.Signature, signed []byte, allowed func(string) bool, finished time.Time) {
	key, ok := p.find(s, signed)
	switch {
	case !ok:
		j.Unknown = append(j.Unknown, s.KeyID)
	case !key.Public.Verify(signed, s.Sig):
		j.Wrong = fmt.Sprintf("the signature that names key %s (%s) is not of it", key.Name, key.Public.ID)
	case !allowed(key.Name):
		j.Unknown = append(j.Unknown, key.Name+" (not for this kind)")
	case outside(finished, key.Since, key.Until):
		j.Unknown = append(j.Unknown, fmt.Sprintf("%s (not at %s)", key.Name, finished.Format(time.RFC3339)))
	default:
		j.By = append(j.By, key.Name)
	}
}

func outside(t, since, until time.Time) bool {
	return t.Before(since) || !until.IsZero() && !t.Before(until)
}

// find is the key that a signature names, or else one that has made it.
func (p *Policy) find(s envelope.Signature, signed []byte) (Key, bool) {
	for _, k := range p.Keys {
		if k.Public.ID == s.KeyID {
			return k, true
		}
	}
	for _, k := range p.Keys {
		if k.Public.Verify(signed, s.Sig) {
			return k, true
		}
	}
	return Key{}, false
}

// rule says who may vouch for a kind, and how many must. Nobody may where no rule names the kind.
func (p *Policy) rule(kind string) (allowed func(key string) bool, need int) {
	if len(p.Rules) == 0 {
		return func(string) bool { return true }, 1
	}
	for _, r := range p.Rules {
		if len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind) {
			return func(key string) bool { return len(r.Keys) == 0 || slices.Contains(r.Keys, key) }, max(r.Agree, 1)
		}
	}
	return func(string) bool { return false }, 0
}
