package plugintest

import (
	"context"
	"fmt"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// Verdict is what one check of a plugin found.
type Verdict struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Differs bool   `json:"differs,omitempty"` // it works, and gives other bytes
	Says    string `json:"says"`
}

// Judge runs a case in all the ways in which it must give the same, for a person to read what came out: once; again, in
// another place and at another time; with other numbers of workers; and, of a training, killed and resumed. scratch makes
// empty folders. What a plugin does not promise is not held against it.
func (c Case) Judge(ctx context.Context, scratch func() string) []Verdict {
	first, err := c.Run(ctx, 2, scratch())
	if err != nil {
		return []Verdict{{Check: "runs", Says: err.Error()}}
	}
	size := 0
	for _, text := range first {
		size += len(text)
	}
	out := []Verdict{{Check: "runs", OK: true, Says: fmt.Sprintf("%d files, %d bytes", len(first), size)}}
	for _, again := range []struct {
		check   string
		workers int
	}{{"again", 2}, {"one worker", 1}, {"five workers", 5}} {
		files, err := c.Run(ctx, again.workers, scratch())
		v := Verdict{Check: again.check, OK: true, Says: "the same bytes"}
		if err != nil {
			v.OK, v.Says = false, err.Error()
		} else if diff := Diff(first, files); diff != "" {
			v = c.differ(v, diff, first, files)
		}
		out = append(out, v)
	}
	if s := c.Plugin.Spec(); s.Kind == catalog.Pretrain && s.Determinism != catalog.None {
		v := Verdict{Check: "resumes", OK: true, Says: "killed at its steps and resumed, the same bytes"}
		if !c.Rerun.None() {
			v.Says += ", or " + c.Rerun.String()
		}
		if _, err := c.Resume(ctx, scratch); err != nil {
			v.OK, v.Says = false, err.Error()
		}
		out = append(out, v)
	}
	return out
}

// differ judges a difference by what the plugin promises.
func (c Case) differ(v Verdict, diff string, first, again Files) Verdict {
	s := c.Plugin.Spec()
	v.Differs, v.Says = true, fmt.Sprintf("%s; it promises %s", diff, s.Determinism)
	switch {
	case s.Determinism == catalog.None:
		v.Says += fmt.Sprintf(" (%s)", s.Reason)
	case s.Determinism == catalog.Tolerance && c.Rerun.None():
		v.OK, v.Differs = false, false
		v.Says += fmt.Sprintf(" (%s), and there are no bounds to judge it by: the case has to say rerun: {compare: ...}", s.Reason)
	case s.Determinism == catalog.Tolerance:
		far := c.far(first, again)
		v.OK, v.Says = far == "", c.Rerun.String()+": the numbers are close enough"
		if !v.OK {
			v.Says = c.Rerun.String() + ": " + far
		}
	default:
		v.OK = false
	}
	return v
}

// apart says what keeps two results from agreeing: the first file that differs, or what is beyond the bounds of the case. It is
// "" if nothing does.
func (c Case) apart(a, b Files) string {
	if diff := Diff(a, b); diff == "" || c.Rerun.None() || c.Plugin.Spec().Determinism != catalog.Tolerance {
		return diff
	}
	return c.far(a, b)
}

// far says what is beyond the bounds, "" if nothing is.
func (c Case) far(a, b Files) string {
	j, err := c.Rerun.Judge(tolerance.Side{Files: a.list(), Open: a.Open}, tolerance.Side{Files: b.list(), Open: b.Open})
	switch {
	case err != nil:
		return err.Error()
	case j.Within:
		return ""
	}
	return j.Says
}
