package verify

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// Signed says who vouches for a chain.
type Signed struct {
	Policy   string         `json:"policy"` // by which it was judged
	OK       bool           `json:"ok"`     // every record is vouched for by as many as the policy wants
	Steps    int            `json:"steps"`  // whose records are
	Of       int            `json:"of"`
	By       map[string]int `json:"by,omitempty"`       // key of the policy -> records it vouches for
	Unknown  map[string]int `json:"unknown,omitempty"`  // signer that does not count -> records
	Unsigned int            `json:"unsigned,omitempty"` // records that nobody has signed
}

// Step says how far the proof of one step goes.
type Step struct {
	Name   string   `json:"name"`
	Level  string   `json:"level"`
	Signed []string `json:"signed,omitempty"` // keys of the policy that vouch for it
	Unseen []string `json:"unseen,omitempty"` // what is not here, by path
}

// trusts begins a chain whose records are judged by a policy.
func (v *verifier) trusts(p *trust.Policy) error {
	if p == nil {
		return errors.New("verify: no trust policy; trust.Nobody is that of those who know no key")
	}
	v.policy, v.out.Signed = p, newSigned(p)
	return nil
}

func newSigned(p *trust.Policy) *Signed {
	return &Signed{Policy: p.Name, By: map[string]int{}, Unknown: map[string]int{}}
}

// add adds what was found of other steps.
func (s *Signed) add(o *Signed) {
	s.Steps += o.Steps
	s.Unsigned += o.Unsigned
	for name, n := range o.By {
		s.By[name] += n
	}
	for id, n := range o.Unknown {
		s.Unknown[id] += n
	}
}

// begin begins a step of the chain. What is found from now on is of it.
func (v *verifier) begin(name string) {
	v.step = name
	if v.steps[name] == nil {
		v.steps[name] = &Step{Name: name}
		v.order = append(v.order, name)
	}
}

// vouched judges who has signed the right records of a step. d names the first of them.
func (v *verifier) vouched(d digest.Digest, all []provenance.Record) {
	signed := 0
	for _, r := range all {
		if r.Envelope != nil {
			signed++
		}
	}
	v.out.Signed.Unsigned += len(all) - signed
	j := v.vouch(all...)
	for _, name := range j.By {
		v.out.Signed.By[name]++
	}
	for _, id := range j.Unknown {
		v.out.Signed.Unknown[id]++
	}
	if j.OK() {
		v.out.Signed.Steps++
		v.steps[v.step].Signed = j.By
	}
	p := Problem{Path: "record/signature", Digest: d, Want: "a record that the policy " + v.policy.Name + " trusts", Got: j.Why()}
	switch {
	case j.Wrong != "":
		p.Code = SignatureWrong
	case j.OK() || !v.policy.Strict:
		return
	case signed == 0:
		p.Code, p.Got = RecordUnsigned, "nobody has signed it"
	default:
		p.Code = RecordUntrusted
	}
	v.problem(p)
}

// vouch says who vouches for records of one action. Its kind is theirs, and the time is that of the first.
func (v *verifier) vouch(all ...provenance.Record) trust.Judgement {
	var signed []envelope.Envelope
	for _, r := range all {
		if r.Envelope != nil {
			signed = append(signed, *r.Envelope)
		}
	}
	first := all[0].Predicate
	return v.policy.Judge(first.BuildDefinition.ExternalParameters.Action.Plugin.Kind, first.RunDetails.Metadata.FinishedOn, signed...)
}

// conclude says how far the proof of each step goes.
func (v *verifier) conclude() {
	s := v.out.Signed
	if s == nil {
		return
	}
	s.Of = len(v.order)
	s.OK = s.Of > 0 && s.Steps == s.Of
	for _, name := range v.order {
		step := v.steps[name]
		step.Level = cmp.Or(step.Level, v.levelOf())
		v.out.Steps = append(v.out.Steps, *step)
	}
}

// levelOf is the level of a step with which nothing is wrong.
func (v *verifier) levelOf() string {
	switch {
	case v.ctx.Err() != nil:
		return None
	case v.level == Rerun:
		return Bytes // the caller does steps again
	}
	return v.level
}

func (s *Step) unseen(path string) {
	if !slices.Contains(s.Unseen, path) {
		s.Unseen = append(s.Unseen, path)
	}
	s.Level = cmp.Or(s.Level, Records)
}

// Unseen counts the steps of which something is not here.
func (v Verdict) Unseen() int {
	n := 0
	for _, s := range v.Steps {
		if len(s.Unseen) > 0 {
			n++
		}
	}
	return n
}

// Signers lists the keys that vouch, sorted.
func (s *Signed) Signers() []string { return slices.Sorted(maps.Keys(s.By)) }
