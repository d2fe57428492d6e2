package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	format "github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// verifyOptions are the flags.
type verifyOptions struct {
	level, rerun  string
	since         bool
	sample, seed  string
	file, lock    string // for a proof
	html          string
	attest        string // file that the verdict is signed into
	levelWasAsked bool
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify LOCK|REF|PROOF",
		Short: "Check a lock, a benchmark artifact, an artifact or a proof; says how far the proof goes",
		Args:  args(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.levelWasAsked = c.Flags().Changed("level")
			if text, ok, err := proofText(args[0]); err != nil {
				return err
			} else if ok && o.html != "" {
				return &usageError{errors.New("--html goes with a lock or a benchmark, not with a proof")}
			} else if ok {
				return a.verifyProof(c.Context(), args[0], text, o.file, o.lock)
			}
			if err := o.check(); err != nil {
				return &usageError{err}
			}
			return a.verify(c.Context(), args[0], o)
		},
	}
	c.Flags().StringVar(&o.level, "level", verify.Records, "records, bytes, files or rerun")
	c.Flags().StringVar(&o.rerun, "rerun", "", "do steps again in a scratch store and compare: all, the name of a step, or sample=N for N of them at random; with --address the workers of the cluster do them")
	c.Flags().BoolVar(&o.since, "since", false, "do not read blobs that look as they did when they were last found right (size, times, inode); level unchanged")
	c.Flags().StringVar(&o.sample, "sample", "", "read files of the datasets at random: a number, or a share such as 1%")
	c.Flags().StringVar(&o.seed, "seed", "", "which files --sample takes (default: a new one, printed)")
	c.Flags().StringVar(&o.attest, "attest", "", "sign the verdict, whatever it is, as a SLSA verification summary into this file; - is standard output, and the text then goes to standard error")
	c.Flags().StringVar(&o.file, "file", "", "the file that a proof is about")
	c.Flags().StringVar(&o.lock, "lock", "", "a lock that should name the artifact that a proof is about")
	c.Flags().StringVar(&o.html, "html", "", "write a page for auditors into this file: from every number to its sources, what is proven, what is not, and which terms apply")
	return c
}

// check refuses flags that ask for two things at once, and chooses the level.
func (o *verifyOptions) check() error {
	if o.rerun != "" {
		o.level = verify.Rerun
	}
	if !slices.Contains([]string{verify.Records, verify.Bytes, verify.Files, verify.Rerun}, o.level) {
		return fmt.Errorf("--level %s: want records, bytes, files or rerun", o.level)
	}
	if o.level == verify.Rerun && o.rerun == "" {
		o.rerun = "all"
	}
	switch {
	case o.file != "" || o.lock != "":
		return errors.New("--file and --lock go with a proof, as `cairn prove` writes it")
	case o.since && o.level != verify.Bytes && (o.levelWasAsked || o.level != verify.Records):
		return fmt.Errorf("--since leaves out reading; it does not go with level %s", o.level)
	case o.sample != "" && (o.since || o.level != verify.Records):
		return errors.New("--sample reads a part; it does not go with a level that reads all, or with --since")
	case o.seed != "" && o.sample == "":
		return errors.New("--seed goes with --sample")
	}
	if o.since {
		o.level = verify.Unchanged
	}
	if o.sample != "" {
		_, err := o.draw()
		return err
	}
	return nil
}

// draw reads --sample.
func (o *verifyOptions) draw() (verify.Draw, error) {
	d := verify.Draw{Seed: o.seed}
	var err error
	if share, ok := strings.CutSuffix(o.sample, "%"); ok {
		d.Percent, err = strconv.ParseFloat(share, 64)
		if err != nil || !(d.Percent > 0 && d.Percent <= 100) {
			return d, fmt.Errorf("--sample %s: want a share above 0%% and up to 100%%", o.sample)
		}
	} else if d.Files, err = strconv.Atoi(o.sample); err != nil || d.Files < 1 {
		return d, fmt.Errorf("--sample %s: want a number of files, 1 or more, or a share such as 1%%", o.sample)
	}
	if d.Seed == "" {
		d.Seed = rand.Text()
	}
	return d, nil
}

func (a *app) verify(ctx context.Context, file string, o verifyOptions) error {
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
	s, v, err := w.verify(ctx, file, by, o.level)
	if err == nil {
		err = w.rewritten(&v)
	}
	if err != nil {
		return err
	}
	var reruns []verdict.Rerun
	switch {
	case o.level == verify.Rerun && v.Scope == verify.ArtifactScope:
		return exit(exitUsage, "%s is one artifact: only the steps of a lock can be done again", file)
	case o.level == verify.Rerun && v.OK:
		reruns, err = a.rerun(ctx, w, file, s.lock, o.rerun, &v)
	case o.sample != "" && v.OK:
		err = w.sample(ctx, s, o, &v)
	}
	if o.html != "" && err == nil {
		err = w.auditPage(ctx, o.html, s, v)
	}
	if err != nil {
		return err
	}
	if o.attest != "" {
		if err := a.attest(ctx, w, o.attest, s, by, v, reruns); err != nil {
			return err
		}
	}
	if err := a.tell(o.attest, v, func(out io.Writer) { printVerdict(out, v) }); err != nil {
		return err
	}
	return cmp.Or(verdictError(v), failedAgain(reruns, o.rerun))
}

// rewritten asks the ledger of this home, if the benchmark is in it, whether it goes on from what it was then.
func (w *workshop) rewritten(v *verify.Verdict) error {
	if v.Ledger == nil || v.Ledger.Origin == "" {
		return nil
	}
	now, err := w.ledger.Checkpoint()
	if err == nil && now.Origin == v.Ledger.Origin {
		root, bad := tlog.ParseHash(v.Ledger.Root)
		if bad != nil {
			return bad
		}
		err = w.ledger.Follows(format.Checkpoint{Origin: v.Ledger.Origin, Size: v.Ledger.Size, Root: root})
	}
	if errors.Is(err, format.ErrTampered) || errors.Is(err, format.ErrUnknownSigner) {
		v.OK, v.Level = false, verify.None
		v.Problems = append(v.Problems, verify.Problem{Code: verify.LedgerRewritten, Step: verify.DocumentsStep, Path: "ledger", Want: fmt.Sprintf("size %d, root %s", v.Ledger.Size, v.Ledger.Root), Got: err.Error()})
		return nil
	}
	return err
}

// sample reads files of the datasets at random.
func (w *workshop) sample(ctx context.Context, s subject, o verifyOptions, v *verify.Verdict) error {
	d, err := o.draw()
	if err != nil {
		return &usageError{err}
	}
	return verify.ReadSample(ctx, v, w.evidence(), s.artifacts(), d)
}

// subject is what is verified: a lock, or one artifact.
type subject struct {
	lock     []byte
	artifact digest.Digest
}

func (s subject) artifacts() []digest.Digest {
	if s.artifact != "" {
		return []digest.Digest{s.artifact}
	}
	l, err := lock.Parse("", s.lock)
	if err != nil {
		return nil
	}
	var out []digest.Digest
	for _, step := range l.Steps {
		out = append(out, step.Artifact)
	}
	return out
}

// verify checks a lock file with the benchmark artifact that holds the same lock, or a benchmark artifact or another
// artifact by its digest or name.
func (w *workshop) verify(ctx context.Context, name string, by *trust.Policy, level string) (s subject, v verify.Verdict, err error) {
	all := w.evidence()
	defer func() { err = cmp.Or(err, all.save()) }()
	var e verify.Store = all
	if level == verify.Records {
		e = unremembered{all, w.layout}
	}
	text, err := readUnlessFolder(name)
	if errors.Is(err, fs.ErrNotExist) {
		ref, refErr := w.ref(ctx, name)
		if refErr != nil {
			return s, v, &usageError{fmt.Errorf("%w, and %w", err, refErr)}
		}
		if w.isArtifact(ctx, ref) {
			v, err = verify.Artifact(ctx, name, ref, e, level)
			return subject{artifact: ref}, v, err
		}
		s.lock, _ = w.lockIn(ctx, ref) // where it cannot be read, the verdict says so
		v, err = verify.Benchmark(ctx, name, ref, e, by, level)
		return s, v, err
	}
	if err != nil {
		return s, v, &usageError{err}
	}
	s.lock = text
	err = verify.ErrOtherLock
	if ref, ok := w.namesake(ctx, text); ok {
		v, err = verify.Held(ctx, name, text, ref, e, by, level)
	}
	if errors.Is(err, verify.ErrOtherLock) {
		v, err = verify.Lock(ctx, name, text, e, by, level)
	}
	return s, v, err
}

// readUnlessFolder reads a file. A folder is none: it may be called as a benchmark is.
func readUnlessFolder(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a lock: %w", name, fs.ErrNotExist)
	}
	return os.ReadFile(name)
}

// isArtifact says whether a blob is the manifest of one artifact rather than the index of a benchmark.
func (w *workshop) isArtifact(ctx context.Context, ref digest.Digest) bool {
	text, err := cas.ReadAll(ctx, w.store, ref, artifact.MaxManifest)
	if err != nil {
		return false
	}
	_, err = artifact.ParseManifest(text)
	return err == nil
}

// namesake finds the benchmark artifact that has the name of a lock's benchmark.
func (w *workshop) namesake(ctx context.Context, text []byte) (digest.Digest, bool) {
	name, err := lock.Benchmark(text)
	if err != nil {
		return "", false
	}
	ref, err := w.ref(ctx, name)
	return ref, err == nil
}

// holder finds the benchmark artifact of a lock. One that is damaged counts: it may be the one.
func (w *workshop) holder(ctx context.Context, text []byte) (digest.Digest, bool) {
	ref, ok := w.namesake(ctx, text)
	if !ok {
		return "", false
	}
	inside, err := w.lockIn(ctx, ref)
	return ref, err != nil || bytes.Equal(inside, text)
}

// lockIn reads the lock of a benchmark artifact.
func (w *workshop) lockIn(ctx context.Context, ref digest.Digest) ([]byte, error) {
	text, err := cas.ReadAll(ctx, w.store, ref, maxShown)
	if err != nil {
		return nil, err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return nil, fmt.Errorf("%s is not a benchmark artifact: %w", ref, err)
	}
	for _, m := range ix.Manifests {
		if m.Annotations[verify.StepKey] != verify.DocumentsStep || m.ArtifactType == provenance.MediaType {
			continue
		}
		if text, err = cas.ReadAll(ctx, w.store, m.Digest, maxShown); err != nil {
			return nil, err
		}
		if d, ok := verify.LockOf(text); ok {
			return cas.ReadAll(ctx, w.store, d, maxShown)
		}
	}
	return nil, fmt.Errorf("%s is not a benchmark artifact", ref)
}

// verdictError chooses the exit code: a difference weighs more than an absence.
func verdictError(v verify.Verdict) error {
	switch {
	case v.OK:
		return nil
	case slices.ContainsFunc(v.Problems, func(p verify.Problem) bool { return !p.Missing() }):
		return exit(exitDiffers, "")
	}
	return exit(exitUnknown, "")
}

func printVerdict(out io.Writer, v verify.Verdict) {
	for _, p := range v.Problems {
		fmt.Fprintf(out, "%s  step %s, %s, %s\n", p.Code, orNone(p.Step), orNone(p.Path), orNone(p.Digest.String()))
		if p.Want != "" || p.Got != "" {
			fmt.Fprintf(out, "    want %s\n    got  %s\n", orNone(p.Want), orNone(p.Got))
		}
	}
	word := "verified"
	if !v.OK {
		word = "NOT verified"
	}
	fmt.Fprintf(out, "%s: %s, level %s%s (%s)\n", v.Subject, word, v.Level, scopeText(v), checkedText(v))
	if s := v.Checked.Skipped; s != nil {
		fmt.Fprintf(out, "  unchanged since %s: %d blobs of %d bytes not read again\n", s.Since.Format(time.RFC3339), s.Blobs, s.Bytes)
	}
	printSigned(out, v)
	if v.Sample != nil {
		fmt.Fprintf(out, "  %s\n", v.Sample.Text())
	}
	if p := v.Proof; p != nil && v.OK {
		fmt.Fprintf(out, "  %s, %d bytes, %s\n  is a file of artifact %s%s\n", p.Path, p.Size, p.Digest, p.Artifact, stepText(p.Step))
	}
}

// printSigned says who vouches for a chain, and what of it is not here.
func printSigned(out io.Writer, v verify.Verdict) {
	s := v.Signed
	if s == nil {
		return
	}
	var by []string
	for _, name := range s.Signers() {
		by = append(by, fmt.Sprintf("%s (%d)", name, s.By[name]))
	}
	fmt.Fprintf(out, "  vouched for: %d of %d steps, by %s; policy: %s\n", s.Steps, s.Of, orNone(strings.Join(by, ", ")), s.Policy)
	for _, id := range slices.Sorted(maps.Keys(s.Unknown)) {
		fmt.Fprintf(out, "  signed by %s, who does not count here: %s\n", id, plural(s.Unknown[id], "record"))
	}
	if s.Unsigned > 0 {
		fmt.Fprintf(out, "  signed by nobody: %s\n", plural(s.Unsigned, "record"))
	}
	switch l := v.Ledger; {
	case l == nil:
	case l.Why != "":
		fmt.Fprintf(out, "  in a ledger: not known here: %s\n", l.Why)
	default:
		fmt.Fprintf(out, "  in a ledger: %d of %d records, at size %d, checkpoint signed by %s\n", l.Records, l.Of, l.Size, orNone(strings.Join(l.Signed, ", ")))
	}
	printPinned(out, v)
	if n := v.Unseen(); n > 0 {
		fmt.Fprintf(out, "  not seen, because it is not here: something of %d of %d steps (--json says what)\n", n, s.Of)
	}
}

// withinBounds says how many of the steps that were done again gave other bytes, and came close enough.
func withinBounds(c verify.Checked) string {
	if c.Within == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of them not with the same bytes, but within the bounds of the lock)", c.Within)
}

// scopeText says what a level is not about.
func scopeText(v verify.Verdict) string {
	switch {
	case v.Level == "none":
	case v.Scope == verify.ArtifactScope:
		return " of this artifact alone, not of what made it"
	case v.Level == verify.Membership:
		return ": nobody has looked at the file itself (--file)"
	}
	return ""
}

func stepText(step string) string {
	if step == "" {
		return ""
	}
	return ", which step " + step + " gave"
}

func checkedText(v verify.Verdict) string {
	c := v.Checked
	text := fmt.Sprintf("%d records, %d blobs, %d bytes, %d steps done again%s, %d problems", c.Records, c.Blobs, c.Bytes, c.Reruns, withinBounds(c), len(v.Problems))
	if c.Files > 0 {
		text += fmt.Sprintf(", %d files one by one", c.Files)
	}
	if c.Hashes > 0 {
		text += fmt.Sprintf(", %d hashes of trees", c.Hashes)
	}
	return text
}
