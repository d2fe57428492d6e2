package origins

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// Notes are what runs that published no benchmark knew of the data that they fetched: of these, neither an action nor a benchmark says under
// which terms they are. There is a file for each artifact; what several manifests said of it stands there side by side, as the
// strictest counts.
type Notes struct{ dir string }

// OpenNotes returns those of a home, which need not be there before something is added.
func OpenNotes(home string) *Notes { return &Notes{filepath.Join(home, "origins")} }

// Run notes what a manifest says of the artifacts that its run fetched, by step.
func (n *Notes) Run(manifest []byte, p *plan.Plan, made map[string]digest.Digest) error {
	var w written
	if err := yaml.Unmarshal(manifest, &w); err != nil {
		return fmt.Errorf("origins of what was fetched: %w", err)
	}
	for _, s := range stated(w, p) {
		if d := made[s.step]; d != "" {
			if err := n.Add(d, s.Term); err != nil {
				return err
			}
		}
	}
	return nil
}

// Add notes under which terms raw data are.
func (n *Notes) Add(artifact digest.Digest, t terms.Term) error {
	if !canonical.IsSHA256(artifact) {
		return fmt.Errorf("origin of %q: want the digest of an artifact, sha256: and 64 hexadecimal digits", artifact)
	}
	file := filepath.Join(n.dir, artifact.Encoded()+".json")
	all, err := readNotes(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, have := range all {
		if have == t {
			return nil
		}
	}
	text, err := json.Marshal(append(all, t))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("origin of %s: %w", artifact, err)
	}
	return cas.ReplaceFile(n.dir, file, text)
}

// each tells what is noted of each artifact.
func (n *Notes) each(say func(digest.Digest, terms.Term)) error {
	files, err := os.ReadDir(n.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		d := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(f.Name(), ".json"))
		if filepath.Ext(f.Name()) != ".json" || !canonical.IsSHA256(d) { // one that is being written
			continue
		}
		all, err := readNotes(filepath.Join(n.dir, f.Name()))
		if err != nil {
			return err
		}
		for _, t := range all {
			say(d, t)
		}
	}
	return nil
}

func readNotes(file string) ([]terms.Term, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []terms.Term
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w; it holds the terms of data that were fetched: take the file away, and run their manifest again", file, err)
	}
	return all, nil
}
