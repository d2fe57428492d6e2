package plugintest

import (
	"context"
	"fmt"

	"github.com/cairn-bench/cairn/manifests/catalog"
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
			v = c.differ(v, diff)
		}
		out = append(out, v)
	}
	if s := c.Plugin.Spec(); s.Kind == catalog.Pretrain && s.Determinism != catalog.None {
		v := Verdict{Check: "resumes", OK: true, Says: "killed at its steps and resumed, the same bytes"}
		if _, err := c.Resume(ctx, scratch); err != nil {
			v.OK, v.Says = false, err.Error()
		}
		out = append(out, v)
	}
	return out
}

// differ judges a difference by what the plugin promises.
func (c Case) differ(v Verdict, diff string) Verdict {
	v.Differs, v.Says = true, diff
	switch s := c.Plugin.Spec(); s.Determinism {
	case catalog.None, catalog.Tolerance:
		v.Says += fmt.Sprintf("; it promises %s (%s)", s.Determinism, s.Reason)
	default:
		v.OK = false
		v.Says += fmt.Sprintf("; it promises %s", s.Determinism)
	}
	return v
}
