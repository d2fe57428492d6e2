package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// challengeOptions are the flags.
type challengeOptions struct {
	with   []string // envelopes, or folders of them
	agree  int
	attest string
}

// challengeDocument is what `challenge --json` prints.
type challengeDocument struct {
	Schema    string            `json:"schema"`
	Benchmark string            `json:"benchmark"`
	Lock      digest.Digest     `json:"lock"`
	Policy    string            `json:"policy"`
	Need      int               `json:"need"` // how many must agree on each step
	OK        bool              `json:"ok"`
	Heard     []verdict.Heard   `json:"heard"` // in the order of the files, whether they count or not
	Steps     []verdict.Tally   `json:"steps"` // in the order of the lock
	Whole     map[string]string `json:"whole"` // what keys have against the whole rather than a step

	inputs []verdict.Input // of those that count
}

func (a *app) challengeCommand() *cobra.Command {
	var o challengeOptions
	c := &cobra.Command{
		Use:   "challenge REF|LOCK --with VERDICT...",
		Short: "Count the signed verdicts of independent rebuilders, step by step; exit code 3 if one of them differs",
		Long: "Count the verdicts that others have signed with `cairn verify LOCK --rerun all --attest FILE`: who agrees on each step, who\n" +
			"differs and where first, and who could not do it again. The trust policy says whose verdicts count (kind verify) and\n" +
			"how many must agree. One who differs is never made up for, not even by a later verdict of the same key.",
		Example: "  cairn challenge benchmark.lock --with lab-b.json --with verdicts/ --agree 2",
		Args:    args(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(o.with) == 0 || o.agree < 1 {
				return &usageError{errors.New("want --with FILE or FOLDER of verdicts, as `cairn verify --attest` signs them, and --agree 1 or more")}
			}
			return a.challenge(c.Context(), args[0], o)
		},
	}
	c.Flags().StringArrayVar(&o.with, "with", nil, "a signed verdict, or a folder of them (*.json); may be given several times")
	c.Flags().IntVar(&o.agree, "agree", 1, "how many must agree on each step; the trust policy may want more")
	c.Flags().StringVar(&o.attest, "attest", "", "sign the outcome, whatever it is, as a SLSA verification summary into this file; - is standard output")
	return c
}

func (a *app) challenge(ctx context.Context, name string, o challengeOptions) error {
	if err := a.checkAttest(o.attest); err != nil {
		return err
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	by, err := a.policy(w)
	if err != nil {
		return err
	}
	text, l, err := w.challenged(ctx, name)
	if err != nil {
		return err
	}
	doc := challengeDocument{Schema: "cairn/challenge/v1", Benchmark: l.Benchmark, Lock: digest.FromBytes(text), Policy: by.Name, Need: o.agree, Heard: []verdict.Heard{}, inputs: []verdict.Input{}}
	files, err := verdictFiles(o.with)
	if err != nil {
		return &usageError{err}
	}
	for _, f := range files {
		if err := doc.hear(f, by); err != nil {
			return err
		}
	}
	doc.Steps, doc.Whole = verdict.Count(l, doc.Heard), verdict.Objections(l, doc.Heard)
	problems := doc.problems()
	doc.OK = len(problems) == 0
	if o.attest != "" {
		if err := a.attestChallenge(ctx, w, o.attest, by, doc, problems); err != nil {
			return err
		}
	}
	if err := a.tell(o.attest, doc, doc.print); err != nil {
		return err
	}
	return challengeError(problems)
}

// challenged reads the lock, out of a file or a benchmark artifact.
func (w *workshop) challenged(ctx context.Context, name string) ([]byte, *lock.Lock, error) {
	text, err := readUnlessFolder(name)
	if errors.Is(err, os.ErrNotExist) {
		ref, refErr := w.ref(ctx, name)
		if refErr != nil {
			return nil, nil, &usageError{fmt.Errorf("%w, and %w", err, refErr)}
		}
		text, err = w.lockIn(ctx, ref)
	}
	if err != nil {
		return nil, nil, &usageError{err}
	}
	l, err := lock.Parse(name, text)
	if errors.Is(err, lock.ErrTampered) {
		return nil, nil, exit(exitDiffers, "%v", err)
	}
	if err != nil {
		return nil, nil, &usageError{err}
	}
	return text, l, nil
}

// verdictFiles are the files that are named, and those in the folders.
func verdictFiles(with []string) ([]string, error) {
	var out []string
	for _, name := range with {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("--with: %w", err)
		case !info.IsDir():
			out = append(out, name)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, fmt.Errorf("--with: %w", err)
		}
		before := len(out)
		for _, e := range entries {
			if !e.IsDir() && filepath.Ext(e.Name()) == ".json" {
				out = append(out, filepath.Join(name, e.Name()))
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("--with %s: no file *.json in it", name)
		}
	}
	return out, nil
}

// maxVerdict bounds the envelope of a verdict, in bytes.
const maxVerdict = 64 << 20

// hear reads a verdict. One of somebody whom the policy does not let vouch is kept and does not count, whatever it is about:
// a stranger cannot spoil a challenge.
func (d *challengeDocument) hear(file string, by *trust.Policy) error {
	f, err := os.Open(file)
	if err != nil {
		return &usageError{err}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxVerdict+1))
	if err == nil && len(text) > maxVerdict {
		err = fmt.Errorf("it has more than %d bytes", maxVerdict)
	}
	if err != nil {
		return &usageError{fmt.Errorf("%s: %w", file, err)}
	}
	s, e, err := verdict.Parse(text)
	j := judgeVerdict(by, s, e)
	switch p := s.Predicate; {
	case j.Wrong != "":
		return exit(exitDiffers, "%s: %s", file, j.Wrong)
	case err != nil:
		return &usageError{fmt.Errorf("%s: %w; want a file as `cairn verify --attest` signs it", file, err)}
	case len(j.By) == 0 || j.Need == 0:
		d.Heard = append(d.Heard, verdict.Heard{File: file, By: []string{}, Why: j.Why(), Result: p.Result, Level: p.Details.Level, Reruns: p.Details.Reruns, Problems: p.Details.Problems})
		return nil
	case s.Of() != d.Lock:
		return exit(exitDiffers, "%s: a verdict of %s about %s (%s), and this lock is %s", file, strings.Join(j.By, ", "), s.Of(), s.Subject[0].Name, d.Lock)
	default:
		h := verdict.Heard{File: file, By: j.By, Result: p.Result, Level: p.Details.Level, Reruns: p.Details.Reruns, Problems: p.Details.Problems}
		if p.Inputs != nil {
			h.Why = "it is the outcome of a challenge: nothing was done again for it"
		} else {
			d.inputs = append(d.inputs, verdict.InputOf(text))
			d.Need = max(d.Need, j.Need)
		}
		d.Heard = append(d.Heard, h)
	}
	return nil
}

// judgeVerdict says who has signed a verdict and may. What does not parse is judged as well: its signature may be wrong.
func judgeVerdict(by *trust.Policy, s verdict.Statement, e envelope.Envelope) trust.Judgement {
	return by.Judge(trust.Verify, s.Predicate.TimeVerified, e)
}

// problems are why a challenge does not hold.
func (d *challengeDocument) problems() []verify.Problem {
	var out []verify.Problem
	differ := func(step, by, why string) {
		out = append(out, verify.Problem{Code: verify.RerunDiffers, Step: step, Path: "verdict", Got: by + ": " + why})
	}
	for _, key := range slices.Sorted(maps.Keys(d.Whole)) {
		differ("", key, d.Whole[key])
	}
	for _, t := range d.Steps {
		for _, key := range slices.Sorted(maps.Keys(t.Differ)) {
			differ(t.Step, key, t.Differ[key])
		}
		if len(t.Agree) < d.Need {
			out = append(out, verify.Problem{Code: verdict.TooFew, Step: t.Step, Path: "verdict", Want: fmt.Sprint(d.Need), Got: fmt.Sprint(len(t.Agree))})
		}
	}
	return out
}

// challengeError chooses the exit code: one who differs weighs more than those who are missing.
func challengeError(problems []verify.Problem) error {
	switch {
	case len(problems) == 0:
		return nil
	case slices.ContainsFunc(problems, func(p verify.Problem) bool { return p.Code != verdict.TooFew }):
		return exit(exitDiffers, "")
	}
	return exit(exitUnknown, "")
}

func (d challengeDocument) print(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tAGREE\tDIFFER\tCOULD NOT")
	for _, s := range d.Steps {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Step, orNone(strings.Join(s.Agree, ", ")), orNone(whose(s.Differ)), orNone(whose(s.CouldNot)))
	}
	t.Flush()
	d.printWhys(out)
	few, differ := 0, len(d.Whole) > 0
	for _, s := range d.Steps {
		differ = differ || len(s.Differ) > 0
		if len(s.Agree) < d.Need {
			few++
		}
	}
	fmt.Fprintf(out, "%s: %s, %d that count; policy: %s; ", d.Benchmark, plural(len(d.Heard), "verdict"), len(d.inputs), d.Policy)
	switch {
	case differ:
		fmt.Fprintln(out, "NOT agreed: somebody differs")
	case few > 0:
		fmt.Fprintf(out, "NOT agreed: fewer than %d agree on %d of %s\n", d.Need, few, plural(len(d.Steps), "step"))
	default:
		fmt.Fprintf(out, "agreed by %d or more on each of %s\n", d.Need, plural(len(d.Steps), "step"))
	}
}

// printWhys says why somebody differs or could not, and why a verdict does not count.
func (d challengeDocument) printWhys(out io.Writer) {
	say := func(step, what string, all map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(out, "  %s  %s %s: %s\n", cmp.Or(step, "the whole"), key, what, all[key])
		}
	}
	say("", "differs", d.Whole)
	for _, s := range d.Steps {
		say(s.Step, "differs", s.Differ)
		say(s.Step, "agrees within the bounds", s.Within)
		say(s.Step, "could not", s.CouldNot)
	}
	for _, h := range d.Heard {
		if !h.Counts() {
			fmt.Fprintf(out, "  %s does not count: %s\n", h.File, h.Why)
		}
	}
}

func whose(all map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(all)), ", ")
}
