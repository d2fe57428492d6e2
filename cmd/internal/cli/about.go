package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			doc := map[string]string{"schema": "cairn/version/v1", "cairn": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return a.print(doc, func(out io.Writer) { fmt.Fprintln(out, "cairn", doc["cairn"], doc["go"], doc["platform"]) })
		},
	}
}

func (a *app) fmtCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use: "fmt MANIFEST", Short: "Format a manifest; comments stay", Args: args(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return &usageError{err}
			}
			out, err := manifests.Format(args[0], text)
			switch {
			case err != nil:
				return &usageError{err}
			case bytes.Equal(text, out):
				return nil
			case check:
				return exit(exitFailed, "%s is not formatted; `cairn fmt %s` does it", args[0], args[0])
			}
			return os.WriteFile(args[0], out, 0o644)
		},
	}
	c.Flags().BoolVar(&check, "check", false, "change nothing; fail if something would change")
	return c
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of manifests, for editors", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			set, err := a.builtIn()
			if err != nil {
				return err
			}
			text, err := manifests.Schema(set.Catalog())
			if err != nil {
				return err
			}
			_, err = a.Stdout.Write(text)
			return err
		},
	}
}
