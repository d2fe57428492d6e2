package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/proof"
	"github.com/cairn-bench/cairn/manifests/verify"
)

func (a *app) proveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "prove REF PATH",
		Short: "Write the proof that an artifact has a file; `cairn verify PROOF --file FILE` checks it without the data",
		Args:  args(2),
		RunE:  func(c *cobra.Command, args []string) error { return a.prove(c.Context(), args[0], args[1]) },
	}
}

func (a *app) prove(ctx context.Context, ref, path string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	d, err := w.ref(ctx, ref)
	if err != nil {
		return err
	}
	text, err := cas.ReadAll(ctx, w.store, d, artifact.MaxManifest)
	if err != nil {
		return err
	}
	p, err := proof.New(ctx, w.store, text, path)
	if err != nil {
		return fmt.Errorf("prove %s of %s: %w", path, ref, err)
	}
	if text, err = p.Marshal(); err != nil {
		return err
	}
	_, err = a.Stdout.Write(append(text, '\n'))
	return err
}

// proofText reads a file if it is a proof.
func proofText(name string) ([]byte, bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, false, nil // a name in the store; whoever needs the file says so
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxShown+1))
	if err != nil || !proof.Is(text) {
		return nil, false, nil
	}
	if len(text) > maxShown {
		return nil, true, &usageError{fmt.Errorf("%s: a proof of more than %d bytes", name, maxShown)}
	}
	return text, true, nil
}

// verifyProof checks a proof. It opens no home.
func (a *app) verifyProof(ctx context.Context, name string, text []byte, file, lockFile string) error {
	p, err := proof.Parse(text)
	if err != nil {
		return &usageError{fmt.Errorf("%s: %w", name, err)}
	}
	var bytes io.Reader
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return &usageError{err}
		}
		defer f.Close()
		bytes = f
	}
	l, sealed, err := readLock(lockFile)
	if err != nil {
		return err
	}
	v, err := verify.Proof(ctx, name, p, bytes, l)
	if err != nil {
		return err
	}
	if sealed != nil {
		v.OK, v.Level = false, "none"
		v.Problems = append(v.Problems, verify.Problem{Code: verify.LockEdited, Path: lockFile, Want: "the text that cairn wrote", Got: sealed.Error()})
	}
	if err := a.print(v, func(out io.Writer) { printVerdict(out, v) }); err != nil {
		return err
	}
	return verdictError(v)
}

// readLock reads a lock, if there is the name of one; sealed says how its text is not the one that was written.
func readLock(name string) (l *lock.Lock, sealed, err error) {
	if name == "" {
		return nil, nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	l, err = lock.Parse(name, text)
	if errors.Is(err, lock.ErrTampered) {
		return l, err, nil
	}
	if err != nil {
		return nil, nil, &usageError{err}
	}
	return l, nil, nil
}
