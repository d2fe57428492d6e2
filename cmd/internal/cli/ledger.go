package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/ledger"
	format "github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// ledgerDocument is what `ledger --json` prints.
type ledgerDocument struct {
	Schema     string         `json:"schema"`
	Folder     string         `json:"folder"`
	Origin     string         `json:"origin"`
	Size       int64          `json:"size"`
	Root       string         `json:"root"`
	Signers    []ledgerSigner `json:"signers"`
	Checkpoint string         `json:"checkpoint"` // its text; "" if nothing is in the ledger
	Checked    bool           `json:"checked"`    // all of it was read
	Older      *olderLedger   `json:"older,omitempty"`
	OK         bool           `json:"ok"`
	Problem    string         `json:"problem,omitempty"`
}

type ledgerSigner struct {
	ID       string `json:"id"`
	Verifier string `json:"verifier"` // the key as clients of such logs take it
}

// olderLedger is the checkpoint that the ledger was compared with.
type olderLedger struct {
	File string `json:"file"`
	Size int64  `json:"size"`
	Root string `json:"root"`
}

func (a *app) ledgerCommand() *cobra.Command {
	var check, text bool
	c := &cobra.Command{
		Use:   "ledger [CHECKPOINT]",
		Short: "Show the ledger of this home, and whether it only grew since a checkpoint",
		Long: "The ledger is an append-only log of the records of a home. Its checkpoint says in three lines what is in it, and is\n" +
			"signed: who keeps one, as --text writes it, can tell later whether the history was rewritten.",
		Args: func(c *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(c, args); err != nil {
				return &usageError{fmt.Errorf("%w\nusage: %s", err, c.UseLine())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			return a.ledger(c.Context(), file, check, text)
		},
	}
	c.Flags().BoolVar(&check, "check", false, "read all of it, and compare every entry with the signed root")
	c.Flags().BoolVar(&text, "text", false, "write the checkpoint itself and nothing else, to be kept or given away")
	return c
}

func (a *app) ledger(ctx context.Context, older string, check, text bool) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	known, err := a.ledgerKeys(w)
	if err != nil {
		return err
	}
	doc := ledgerDocument{Schema: "cairn/ledger/v1", Folder: filepath.Join(w.dir, "ledger"), Signers: []ledgerSigner{}, Checked: check}
	problem := doc.fill(ctx, ledger.Open(doc.Folder, nil, known...), known, older)
	var bad *usageError
	if errors.As(problem, &bad) {
		return problem
	}
	if doc.OK = problem == nil; !doc.OK {
		doc.Problem = problem.Error()
	}
	show := doc.text
	if text {
		show = func(out io.Writer) { fmt.Fprint(out, doc.Checkpoint) }
	}
	if err := a.print(doc, show); err != nil || doc.OK {
		return err
	}
	switch {
	case errors.Is(problem, format.ErrTampered):
		return exit(exitDiffers, "%v", problem)
	case errors.Is(problem, format.ErrUnknownSigner):
		return exit(exitUnknown, "%v; a trust policy (--trust) says which keys are known", problem)
	}
	return problem
}

// ledgerKeys are those of which one must have signed: the home's own, if it has one yet, and those of the policy.
func (a *app) ledgerKeys(w *workshop) ([]trust.PublicKey, error) {
	own, err := a.ownPolicy(w)
	if err != nil {
		return nil, err
	}
	p, err := a.policy(w)
	if err != nil {
		return nil, err
	}
	var out []trust.PublicKey
	for _, k := range append(own.Keys[:len(own.Keys):len(own.Keys)], p.Keys...) {
		out = append(out, k.Public)
	}
	return out, nil
}

// fill reads the ledger, and compares it with an older checkpoint if there is one. The error is what is wrong with it.
func (d *ledgerDocument) fill(ctx context.Context, l *ledger.Ledger, known []trust.PublicKey, older string) error {
	s, err := l.Checkpoint()
	if err != nil {
		return err
	}
	d.Origin, d.Size, d.Root, d.Checkpoint = s.Origin, s.Size, s.Root.String(), string(s.Text)
	for _, k := range s.By {
		verifier, err := format.VerifierKey(k)
		if err != nil {
			return err
		}
		d.Signers = append(d.Signers, ledgerSigner{k.ID, verifier})
	}
	if d.Checked {
		if _, err = l.Check(ctx); err != nil {
			return err
		}
	}
	if older == "" {
		return nil
	}
	text, err := os.ReadFile(older)
	if err != nil {
		return &usageError{err}
	}
	then, err := format.Parse(text, known...)
	switch {
	case errors.Is(err, format.ErrTampered), errors.Is(err, format.ErrUnknownSigner):
		return fmt.Errorf("%s: %w", older, err)
	case err != nil:
		return &usageError{fmt.Errorf("%s: %w", older, err)}
	}
	d.Older = &olderLedger{older, then.Size, then.Root.String()}
	return l.Follows(then.Checkpoint)
}

func (d *ledgerDocument) text(out io.Writer) {
	if d.Checkpoint == "" {
		if d.OK {
			fmt.Fprintf(out, "%s: no records yet\n", display(d.Folder))
		}
		return
	}
	fmt.Fprintf(out, "ledger  %s\norigin  %s\nrecords %d\nroot    %s\n", display(d.Folder), d.Origin, d.Size, d.Root)
	for _, s := range d.Signers {
		fmt.Fprintf(out, "signed  by %s\nkey     %s\n", s.ID, s.Verifier)
	}
	if !d.OK {
		return
	}
	if d.Checked {
		fmt.Fprintf(out, "checked: all %d records are those under the root\n", d.Size)
	}
	if d.Older != nil {
		fmt.Fprintf(out, "checked: it goes on from %s, of %d records, and nothing before was changed\n", d.Older.File, d.Older.Size)
	}
}
