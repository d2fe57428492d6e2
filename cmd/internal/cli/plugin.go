package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/host"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "The plugins that this program has"}
	c.AddCommand(&cobra.Command{
		Use: "list", Short: "List the plugins", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			set, err := all.Plugins()
			if err != nil {
				return err
			}
			cat := set.Catalog()
			return a.print(map[string]any{"schema": "cairn/plugin-list/v1", "plugins": cat}, func(out io.Writer) {
				t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
				for _, s := range cat {
					fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s\n", s.Kind, s.Name, s.Version, s.Determinism, s.Summary)
				}
				t.Flush()
			})
		},
	}, &cobra.Command{
		Use: "show KIND NAME", Short: "Show a plugin: its promise, its parameters and their defaults", Args: args(2),
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := all.Plugins()
			if err != nil {
				return err
			}
			p, err := set.Find(catalog.Kind(args[0]), args[1])
			if err != nil {
				return &usageError{err}
			}
			s := p.Spec()
			return a.print(s, func(out io.Writer) {
				fmt.Fprintf(out, "%s/%s %s\n%s\ndeterminism  %s %s\ndefaults     %s\n", s.Kind, s.Name, s.Version, s.Summary, s.Determinism, s.Reason, s.Defaults)
			})
		},
	})
	c.AddCommand(a.pluginExecCommand())
	return c
}

// pluginExecCommand is what a worker starts to do a step in a process of its own.
func (a *app) pluginExecCommand() *cobra.Command {
	return &cobra.Command{
		Use: "exec", Short: "Do the step of a request on stdin", Args: args(0), Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := all.Plugins()
			if err != nil {
				return err
			}
			return host.Serve(c.Context(), set, os.Stdin, a.Stdout)
		},
	}
}

// runner is how steps are done.
func (a *app) runner(isolate bool) host.Runner {
	if !isolate {
		return host.InProcess
	}
	h := &host.Host{Lookup: a.Lookup}
	return h.Isolated(append(a.self(), "plugin", "exec"))
}

// self is the command that starts this program, and the very one that runs: its file may have been replaced since.
func (a *app) self() []string {
	if a.Self != nil {
		return slices.Clone(a.Self)
	}
	if runtime.GOOS == "linux" {
		return []string{"/proc/self/exe"}
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return []string{self}
}
