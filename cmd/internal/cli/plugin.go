package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
	"github.com/cairn-bench/cairn/plugins/host"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "The plugins that this program has, and those of folders"}
	c.AddCommand(&cobra.Command{
		Use: "list [FOLDER...]", Short: "List the plugins, and those in folders",
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := a.plugins(args...)
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
		Use: "show KIND NAME | FOLDER", Short: "Show a plugin: its promise, its parameters and their defaults", Args: cobra.MatchAll(cobra.MinimumNArgs(1), cobra.MaximumNArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.promise(args)
			if err != nil {
				return err
			}
			return a.print(s, func(out io.Writer) {
				fmt.Fprintf(out, "%s/%s %s\n%s\ndeterminism  %s %s\ndefaults     %s\n", s.Kind, s.Name, s.Version, s.Summary, s.Determinism, s.Reason, s.Defaults)
				if s.Digest != "" {
					fmt.Fprintf(out, "folder       %s\n", s.Digest)
				}
				if len(s.Secrets) > 0 {
					fmt.Fprintf(out, "credentials  %s (`%s doctor` says where they are looked for)\n", strings.Join(s.Secrets, ", "), a.typed())
				}
			})
		},
	}, a.pluginCheckCommand(), a.pluginExecCommand())
	return c
}

// builtIn are the plugins of this program.
func (a *app) builtIn() (plugins.Set, error) {
	if a.Plugins != nil {
		return a.Plugins()
	}
	return all.Plugins()
}

// plugins are those of this program and those in folders.
func (a *app) plugins(folders ...string) (plugins.Set, error) {
	set, err := a.builtIn()
	for _, f := range folders {
		if err != nil {
			break
		}
		var p plugins.Plugin
		if p, err = a.host.Load(f); err == nil {
			set, err = set.With(p)
		}
		if err != nil {
			err = &usageError{err}
		}
	}
	return set, err
}

// promise is that of the plugin of a kind and name, or of a folder.
func (a *app) promise(args []string) (catalog.Spec, error) {
	if len(args) == 1 {
		p, err := a.host.Load(args[0])
		if err != nil {
			return catalog.Spec{}, &usageError{err}
		}
		return p.Spec(), nil
	}
	set, err := a.plugins()
	if err != nil {
		return catalog.Spec{}, err
	}
	p, err := set.Find(catalog.Kind(args[0]), args[1])
	if err != nil {
		return catalog.Spec{}, &usageError{err}
	}
	return p.Spec(), nil
}

// pluginExecCommand is what a worker starts to do a step in a process of its own.
func (a *app) pluginExecCommand() *cobra.Command {
	return &cobra.Command{
		Use: "exec", Short: "Do the step of a request on stdin", Args: args(0), Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := a.builtIn()
			if err != nil {
				return err
			}
			return host.Serve(c.Context(), set, os.Stdin, a.Stdout, a.Stderr)
		},
	}
}

// runner is how steps are done.
func (a *app) runner(isolate bool) host.Runner {
	if !isolate {
		return host.InProcess
	}
	return a.host.Isolated(append(a.self(), "plugin", "exec"))
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
