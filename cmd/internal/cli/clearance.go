package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/origins"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// termsFile is the policy of a home.
const termsFile = "terms.yaml"

// termsOptions are the flags of the verbs that ask the terms policy.
type termsOptions struct {
	file       string
	override   bool
	by, reason string
}

func (o *termsOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "terms", "", "terms policy (default terms.yaml of the home, else the one that cairn terms prints)")
	c.Flags().BoolVar(&o.override, "override-terms", false, "do it although the terms policy refuses; needs --by and --reason, and is recorded")
	c.Flags().StringVar(&o.by, "by", "", "who overrides the terms policy")
	c.Flags().StringVar(&o.reason, "reason", "", "why")
}

func (o *termsOptions) check() error {
	switch named := strings.TrimSpace(o.by) != "" && strings.TrimSpace(o.reason) != ""; {
	case o.override && !named:
		return &usageError{errors.New("--override-terms needs --by, the name of a person, and --reason: both are recorded")}
	case !o.override && (o.by != "" || o.reason != ""):
		return &usageError{errors.New("--by and --reason belong to --override-terms")}
	}
	return nil
}

// policy reads the terms policy of a file, or else of the home, or else the one that comes with Cairn.
func (w *workshop) policy(file string) (*terms.Policy, []byte, error) {
	text, err := os.ReadFile(file)
	if file == "" {
		file = filepath.Join(w.dir, termsFile)
		if text, err = os.ReadFile(file); errors.Is(err, fs.ErrNotExist) {
			return terms.Default(), terms.DefaultText(), nil
		}
	}
	if err != nil {
		return nil, nil, &usageError{fmt.Errorf("terms policy: %w", err)}
	}
	p, err := terms.Parse(display(file), text)
	return p, text, err
}

// clearance is what a terms policy says about something that somebody wants to do with an artifact and all that is in it.
type clearance struct {
	verb    terms.Verb
	to      string
	name    string
	root    digest.Digest
	refused []refused
}

// refused is a part that may not go along.
type refused struct {
	origins.Part
	name string
	why  []terms.Decision // at least one
}

// subjectOf is an artifact with all that it holds, and where that comes from.
type subjectOf struct {
	name  string
	root  digest.Digest
	parts []origins.Part
}

// consider finds out where an artifact, and everything in it, comes from. name is what it was called on the command line; a benchmark has
// its own.
func (w *workshop) consider(ctx context.Context, name string, root digest.Digest) (subjectOf, error) {
	f, err := origins.New(ctx, w.store, w.own, w.origins)
	if err != nil {
		return subjectOf{}, err
	}
	parts, err := f.Parts(ctx, root)
	if err != nil {
		return subjectOf{}, err
	}
	if title := w.titleOf(ctx, root); title != "" {
		name = title
	}
	return subjectOf{name, root, parts}, nil
}

// titleOf is what a benchmark calls itself, "" if it is none.
func (w *workshop) titleOf(ctx context.Context, root digest.Digest) string {
	text, err := cas.ReadAll(ctx, w.store, root, maxShown)
	var ix ocispec.Index
	if err != nil || json.Unmarshal(text, &ix) != nil || len(ix.Manifests) == 0 {
		return ""
	}
	return ix.Annotations[ocispec.AnnotationTitle]
}

// ask asks the policy about all parts.
func (s subjectOf) ask(p *terms.Policy, verb terms.Verb, to string) clearance {
	c := clearance{verb: verb, to: to, name: s.name, root: s.root}
	for _, part := range s.parts {
		if why := p.Refusals(verb, to, part.Origin); len(why) > 0 {
			name := s.name
			if part.Name != "" {
				name += "/" + part.Name
			}
			c.refused = append(c.refused, refused{part, name, why})
		}
	}
	return c
}

// withheld are the blobs that have to stay.
func (c clearance) withheld() map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, r := range c.refused {
		for _, d := range r.Data() {
			out[d] = true
		}
	}
	return out
}

// reason is why the data may not be passed on, in a line, "" if they may.
func (c clearance) reason() string {
	if len(c.refused) == 0 {
		return ""
	}
	d := c.refused[0].why[0]
	if d.Dataset == "" {
		return d.Reason
	}
	return fmt.Sprintf("%s (dataset %s, %s)", d.Reason, d.Dataset, d.Term)
}

// refusal is the error of something that may not be done.
func (c clearance) refusal(cairn string) error {
	const few = 3
	var lines []string
	n := 0
	for _, r := range c.refused {
		for _, d := range r.why {
			if n++; n <= few {
				lines = append(lines, d.Refusal(r.name))
			}
		}
	}
	if n > few {
		lines = append(lines, fmt.Sprintf("and %d more refusals; `%s terms %s --to %s` lists them", n-few, cairn, quote(c.name), quote(c.to)))
	}
	return exit(exitRefused, "%s", strings.Join(lines, "\n       "))
}

// settle refuses what the policy refuses, or records that somebody puts it aside; the digest of that record is "" if there was nothing
// to put aside.
func (a *app) settle(ctx context.Context, w *workshop, o termsOptions, c clearance) (digest.Digest, error) {
	if len(c.refused) == 0 {
		return "", nil
	}
	if !o.override {
		return "", c.refusal(a.typed())
	}
	x := override.Override{Verb: c.verb, To: c.to, By: o.by, Reason: o.reason, At: time.Now(), Name: c.name, Artifact: c.root}
	for _, r := range c.refused {
		for _, d := range r.why {
			x.Refused = append(x.Refused, override.NewRefusal(r.name, r.Digest, d))
		}
	}
	if err := x.Check(); err != nil {
		return "", &usageError{err}
	}
	d, err := w.overrides.Record(ctx, x)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(a.Stderr, "override recorded: %s\n", d)
	return d, nil
}

// overridden is an override as the command line tells of it.
type overridden struct {
	override.Override
	Record digest.Digest `json:"record"`
	Key    string        `json:"key,omitempty"`
	Signed string        `json:"signed"` // by whom, by a key that is not known here, or why it does not count
}

// overridesOf lists the overrides that are about an artifact or one of its parts. Who signed is told by the keys of the trust policy.
func (a *app) overridesOf(ctx context.Context, w *workshop, s subjectOf) ([]overridden, error) {
	known, err := a.policy(w)
	if err != nil {
		return nil, err
	}
	about := []digest.Digest{s.root}
	for _, p := range s.parts {
		about = append(about, p.Digest)
	}
	kept, err := w.overrides.About(ctx, known.Keys, about...)
	out := []overridden{}
	for _, k := range kept {
		o := overridden{Override: k.Override, Record: k.Manifest, Key: k.Key, Signed: "by a key that is not known here"}
		switch {
		case k.Bad != nil:
			o.Signed = k.Bad.Error()
		case k.Signer != "":
			o.Signed = "by " + k.Signer
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(x, y overridden) int { return x.At.Compare(y.At) })
	return out, err
}

func printOverrides(out io.Writer, all []overridden) {
	for _, o := range all {
		if o.By == "" { // it could not be read
			fmt.Fprintf(out, "override  %s: %s\n", o.Record, o.Signed)
			continue
		}
		fmt.Fprintf(out, "override  %s\n          %s, signed %s\n", o.Override, o.Record, o.Signed)
	}
}
