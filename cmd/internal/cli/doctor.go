package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
)

// finding is what doctor says of one thing.
type finding struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty"` // it works, but something should be done about it
	Says    string `json:"says"`
}

// verdict is the word for it.
func (f finding) verdict() string {
	switch {
	case !f.OK:
		return "BAD"
	case f.Warning:
		return "warn"
	}
	return "ok"
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check the home, the store, the disk, the engine and the credentials", Args: args(0),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.examine(c.Context())
			if err != nil {
				return err
			}
			bad := 0
			for _, f := range all {
				if !f.OK {
					bad++
				}
			}
			err = a.print(map[string]any{"schema": "cairn/doctor/v1", "ok": bad == 0, "checks": all}, func(out io.Writer) {
				t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
				for _, f := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\n", f.verdict(), f.Check, f.Says)
				}
				t.Flush()
			})
			if err == nil && bad > 0 {
				return exit(exitFailed, "%d of %d checks failed", bad, len(all))
			}
			return err
		},
	}
}

// examine makes every check that can be made; one that fails does not keep the others from being made.
func (a *app) examine(ctx context.Context) ([]finding, error) {
	w, err := a.open()
	if err != nil {
		return nil, err
	}
	var all []finding
	check := func(name string, do func() (string, error)) {
		says, err := do()
		if err != nil {
			says = err.Error()
		}
		all = append(all, finding{Check: name, OK: err == nil, Says: says})
	}
	check("program", func() (string, error) {
		return fmt.Sprintf("cairn %s, %d processors, %d plugins", version(), runtime.GOMAXPROCS(0), len(w.plugins.Catalog())), nil
	})
	check("home", func() (string, error) { return w.dir, nil })
	check("disk", func() (string, error) { return free(w.dir) })
	check("store", func() (string, error) { return w.probe(ctx) })
	check("names", func() (string, error) { return w.named(ctx) })
	check("engine", func() (string, error) { return a.reach(ctx, w) })
	all = append(all, ffmpeg(ctx))
	return append(all, a.credentials(w.plugins)...), nil
}

// ffmpeg is the program that plugin curate/ffmpeg decodes films with. No other needs it.
func ffmpeg(ctx context.Context) finding {
	f := finding{Check: "ffmpeg", OK: true}
	text, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	words := strings.Fields(string(text))
	if err != nil || len(words) < 3 {
		f.Warning, f.Says = true, "not there: curate/ffmpeg cannot read films (MP4 and others); Motion-JPEG, GIF and DICOM need none"
		return f
	}
	f.Says = "version " + words[2]
	return f
}

// free is the room that is left on the disk of a folder.
func free(dir string) (string, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return "", err
	}
	left := float64(fs.Bavail) * float64(fs.Bsize)
	if left < 1e9 {
		return "", fmt.Errorf("only %s are free; a rebuild needs room for its datasets", size(left))
	}
	return size(left) + " free", nil
}

// probe writes a blob and reads it back.
func (w *workshop) probe(ctx context.Context) (string, error) {
	text := []byte("cairn doctor\n")
	d, err := cas.PutBytes(ctx, w.layout, text)
	if err != nil {
		return "", err
	}
	back, err := cas.ReadAll(ctx, w.layout, d, int64(len(text)))
	if err != nil {
		return "", err
	}
	if !bytes.Equal(back, text) || d != digest.FromBytes(text) {
		return "", fmt.Errorf("what was read is not what was written")
	}
	if err := w.layout.Durable(); err != nil {
		return "", err
	}
	return "a blob can be written and read back", nil
}

// named looks for what the store's index names.
func (w *workshop) named(ctx context.Context) (string, error) {
	ix, err := w.layout.Index(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range ix.Manifests {
		if _, err := w.layout.Stat(ctx, m.Digest); err != nil {
			return "", fmt.Errorf("%s: %w; `cairn run` of its manifest makes it again", m.Annotations["org.opencontainers.image.ref.name"], err)
		}
	}
	return fmt.Sprintf("%d artifacts", len(ix.Manifests)), nil
}

// reach connects to the engine and counts the runs it knows.
func (a *app) reach(ctx context.Context, w *workshop) (string, error) {
	e, _, err := a.connect(ctx, w, seat{a: a, dir: w.engine()})
	if err != nil {
		return "", err
	}
	defer e.close()
	runs, err := e.list(ctx)
	if err != nil {
		return "", err
	}
	open := 0
	for _, r := range runs {
		if r.State == stateOpen {
			open++
		}
	}
	where := "in the box"
	if !e.ours() {
		where = "in another process or on a cluster"
	}
	return fmt.Sprintf("Temporal %s answers; %d runs, %d of them open", where, len(runs), open), nil
}
