package verify

import (
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// Ledger says in which ledger the records of a benchmark are.
type Ledger struct {
	Origin  string   `json:"origin"`
	Size    int64    `json:"size"`          // entries, when the proof was made
	Root    string   `json:"root"`          // of its tree, then
	Signed  []string `json:"signed"`        // keys of the policy that have signed the checkpoint
	Records int      `json:"records"`       // of the benchmark that are proven to be in it
	Of      int      `json:"of"`            // records
	Why     string   `json:"why,omitempty"` // why it proves nothing here
}

// ledger checks the proof that the records are in a ledger. A proof that nobody here can judge, because nobody knows who
// has signed the checkpoint, is a remark, unless the policy wants one that counts.
func (v *verifier) ledger(records []digest.Digest) {
	v.step = DocumentsStep
	defer func() { v.step = "" }()
	if v.proof == "" {
		v.noLedger("no proof")
		return
	}
	text, ok := v.read(v.proof, "record/ledger")
	if !ok {
		return
	}
	view, err := v.open(text)
	if errors.Is(err, ledger.ErrUnknownSigner) {
		v.out.Ledger = &Ledger{Of: len(records), Why: err.Error()}
		v.noLedger(err.Error())
		return
	}
	if err != nil {
		v.problem(Problem{Code: LedgerDiffers, Path: "record/ledger", Digest: v.proof, Want: "a proof that the records are in a ledger", Got: err.Error()})
		return
	}
	v.view = view
	got, _ := view.Included(records...) // what is not among them is said here
	v.out.Ledger = &Ledger{Origin: view.Origin, Size: view.Size, Root: view.Root.String(), Signed: v.names(view.By), Records: len(got), Of: len(records)}
	for _, d := range records {
		if _, ok := got[d]; !ok {
			v.problem(Problem{Code: LedgerDiffers, Path: "record/ledger", Digest: d, Want: "a record that is proven to be in the ledger", Got: fmt.Sprintf("it is not among the proven of %d entries", view.Size)})
		}
	}
}

// noLedger says that there is no proof that counts, to those who want one.
func (v *verifier) noLedger(why string) {
	if v.policy.Ledger {
		v.problem(Problem{Code: LedgerNone, Path: "record/ledger", Digest: v.proof, Want: "a proof that the records are in a ledger whose checkpoint a key of the policy has signed", Got: why})
	}
}

func (v *verifier) open(text []byte) (*ledger.View, error) {
	p, err := ledger.ParseProof(text)
	if err != nil {
		return nil, err
	}
	var known []trust.PublicKey
	for _, k := range v.policy.Keys {
		known = append(known, k.Public)
	}
	return p.Open(known...)
}

// names are what the policy calls keys.
func (v *verifier) names(all []trust.PublicKey) []string {
	out := []string{}
	for _, p := range all {
		for _, k := range v.policy.Keys {
			if k.Public.ID == p.ID {
				out = append(out, k.Name)
			}
		}
	}
	return out
}
