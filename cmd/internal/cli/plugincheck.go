package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

type checkDocument struct {
	Schema string               `json:"schema"`
	Plugin catalog.Spec         `json:"plugin"`
	OK     bool                 `json:"ok"`
	Checks []plugintest.Verdict `json:"checks"`
}

// caseFile says how a plugin is run to be judged; the inputs lie beside it, in folders of inputs/.
type caseFile struct {
	Params  json.RawMessage `json:"params,omitempty"`
	Seed    uint64          `json:"seed,omitempty"`
	Dataset *action.Dataset `json:"dataset,omitempty"`

	Rerun tolerance.Bounds `json:"rerun,omitzero"` // of a plugin of class tolerance, as in a manifest
}

const caseName = "case.json"

func (a *app) pluginCheckCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "check FOLDER", Short: "Judge a plugin: does it give again what it promises, elsewhere, and after a kill", Args: args(1),
		RunE: func(c *cobra.Command, args []string) error { return a.pluginCheck(c.Context(), args[0], dir) },
	}
	c.Flags().StringVar(&dir, "case", "", "folder with case.json ({params, seed, dataset, rerun: how close it has to come, as in a manifest}) and inputs/NAME/ (default: a small synthetic table)")
	return c
}

func (a *app) pluginCheck(ctx context.Context, folder, dir string) error {
	p, err := a.host.Load(folder)
	if err != nil {
		return &usageError{err}
	}
	tmp, err := os.MkdirTemp("", "cairn-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	c := plugintest.Case{Plugin: p, Env: a.env(folder)}
	if dir != "" {
		err = readCase(&c, dir)
	} else {
		err = syntheticCase(ctx, &c, tmp)
	}
	if err != nil {
		return err
	}
	if _, err := p.Normalise(json.RawMessage(c.Params)); err != nil {
		return &usageError{fmt.Errorf("%w; --case gives parameters", err)}
	}
	places := 0
	doc := checkDocument{Schema: "cairn/plugin-check/v1", Plugin: p.Spec(), OK: true, Checks: c.Judge(ctx, func() string {
		places++
		place := filepath.Join(tmp, fmt.Sprintf("place-%d", places))
		_ = os.Mkdir(place, 0o700) // the plugin's own folder in it cannot be made otherwise
		return place
	})}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return a.printCheck(doc)
}

func (a *app) printCheck(doc checkDocument) error {
	failed, differs := 0, false
	for _, v := range doc.Checks {
		if !v.OK {
			failed++
			differs = differs || v.Differs
		}
	}
	doc.OK = failed == 0
	err := a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "%s  %s\n", doc.Plugin.Identity(), doc.Plugin.Digest)
		for _, v := range doc.Checks {
			mark := "ok"
			if !v.OK {
				mark = "failed"
			}
			fmt.Fprintf(out, "  %-6s  %-12s  %s\n", mark, v.Check, v.Says)
		}
	})
	switch {
	case err != nil:
		return err
	case differs:
		return exit(exitDiffers, "%d of %d checks failed: it does not give what it promises", failed, len(doc.Checks))
	case failed > 0:
		return exit(exitFailed, "%d of %d checks failed", failed, len(doc.Checks))
	}
	return nil
}

// readCase reads a case from a folder.
func readCase(c *plugintest.Case, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, caseName))
	if err != nil {
		return &usageError{fmt.Errorf("--case: %w", err)}
	}
	var f caseFile
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return &usageError{fmt.Errorf("%s: %w", filepath.Join(dir, caseName), err)}
	}
	s := c.Plugin.Spec()
	if err := f.Rerun.CheckOf(s.Kind, s.Determinism); err != nil && !f.Rerun.None() {
		return &usageError{fmt.Errorf("%s: rerun: %w", filepath.Join(dir, caseName), err)}
	}
	c.Params, c.Seed, c.Dataset, c.Rerun = string(f.Params), f.Seed, f.Dataset, f.Rerun
	if c.Dataset == nil {
		c.Dataset = checked()
	}
	inputs, err := os.ReadDir(filepath.Join(dir, "inputs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.Inputs = map[string]plugintest.Files{}
	for _, in := range inputs {
		if c.Inputs[in.Name()], err = readTree(filepath.Join(dir, "inputs", in.Name())); err != nil {
			return &usageError{fmt.Errorf("--case: input %s: %w", in.Name(), err)}
		}
	}
	return nil
}

func readTree(dir string) (plugintest.Files, error) {
	files := plugintest.Files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil {
			files[filepath.ToSlash(rel)], err = os.ReadFile(path)
		}
		return err
	})
	return files, err
}

// checked is what the dataset of a case is called that does not say.
func checked() *action.Dataset {
	return &action.Dataset{ID: "check", Modality: "table", Licence: "CC0-1.0", Access: "open"}
}

// syntheticCase gives a plugin a small table: as it was fetched, as it was curated, or with a model of it.
func syntheticCase(ctx context.Context, c *plugintest.Case, tmp string) error {
	kind := c.Plugin.Spec().Kind
	c.Seed, c.Dataset = 7, checked()
	if kind == catalog.Evaluate {
		c.Params = `{"split":"test"}`
	}
	files := map[string]plugintest.Files{}
	for _, s := range []struct {
		kind         catalog.Kind
		name, params string
		inputs       []string
		gives        string
	}{
		{catalog.Fetch, "synthetic", `{"dataset":"table","samples":60}`, nil, "raw"},
		{catalog.Curate, "table", `{"drop":["id"],"label":{"column":"num","classes":{"0":"absent","1":"present","2":"present","3":"present","4":"present"}}}`, []string{"raw"}, "check"},
		{catalog.Pretrain, "go", `{"epochs":1}`, []string{"check"}, plugins.ModelInput},
	} {
		if s.kind == kind {
			break
		}
		set, err := all.Plugins()
		if err != nil {
			return err
		}
		p, err := set.Find(s.kind, s.name)
		if err != nil {
			return err
		}
		made, err := plugintest.Case{Plugin: p, Params: s.params, Seed: 7, Dataset: checked(), Inputs: only(files, s.inputs...)}.Run(ctx, 2, tmp)
		if err != nil {
			return err
		}
		files[s.gives] = made
	}
	switch kind {
	case catalog.Curate:
		c.Inputs = only(files, "raw")
	case catalog.Pretrain:
		c.Inputs = only(files, "check")
	case catalog.Evaluate:
		c.Inputs = map[string]plugintest.Files{plugins.ModelInput: files[plugins.ModelInput], plugins.DatasetInput: files["check"]}
	}
	return nil
}

func only(files map[string]plugintest.Files, names ...string) map[string]plugintest.Files {
	out := map[string]plugintest.Files{}
	for name, f := range files {
		if slices.Contains(names, name) {
			out[name] = f
		}
	}
	return out
}
