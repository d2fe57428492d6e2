package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cairn-bench/cairn/deploy/embedded"
)

type serverOptions struct {
	listen string
	ui     bool
	uiPort uint16
}

func (a *app) serverCommand() *cobra.Command {
	var o serverOptions
	c := &cobra.Command{
		Use:   "server",
		Short: "Run the engine of this home until it is stopped",
		Long: "Run the engine of this home until it is stopped. Runs outlive it: what was under way goes on when an engine is\n" +
			"there again, in this or any other process of the home. Ctrl-C and SIGTERM end it with exit code 0.",
		Args: args(0),
		RunE: func(c *cobra.Command, _ []string) error { return a.server(c.Context(), o) },
	}
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback host:port of the engine; port 0 takes a free one")
	c.Flags().BoolVar(&o.ui, "ui", true, "serve Temporal's web UI, to look only, to whoever has the address that is printed")
	c.Flags().Uint16Var(&o.uiPort, "ui-port", 0, "port of the web UI; 0 takes a free one")
	return c
}

// serverDocument is what `server --json` prints when the engine is up.
type serverDocument struct {
	Schema  string `json:"schema"`
	Process int    `json:"process"`
	Home    string `json:"home"`
	Address string `json:"address"`
	UI      string `json:"ui,omitempty"` // with the key that lets one in
}

func (a *app) server(ctx context.Context, o serverOptions) error {
	port, err := loopbackPort(o.listen)
	if err != nil {
		return &usageError{fmt.Errorf("--listen: %w", err)}
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	box, err := a.alone(ctx, w.engine(), embedded.Options{Port: port, Who: a.who()})
	if err != nil {
		return err
	}
	defer box.Stop()
	if err := a.care(ctx, w, box); err != nil {
		return err
	}
	doc := serverDocument{Schema: "cairn/server/v1", Process: os.Getpid(), Home: w.dir, Address: box.Address()}
	if o.ui {
		ui, err := box.UI(int(o.uiPort))
		if err != nil {
			return err
		}
		defer ui.Stop()
		doc.UI = ui.URL
	}
	err = a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "home    %s\nengine  %s\n", doc.Home, doc.Address)
		if o.ui {
			fmt.Fprintf(out, "web UI  %s\n", doc.UI)
		}
	})
	if err != nil {
		return err
	}
	a.notice("ready; `cairn worker` of this home does the work, Ctrl-C ends this\n")
	<-ctx.Done()
	return nil
}

// loopbackPort is the port of an address. The engine hands out what patients' files are called and runs what it is
// told to, so it is not for other machines.
func loopbackPort(address string) (int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	if host != "127.0.0.1" && host != "localhost" {
		return 0, fmt.Errorf("%s: the engine in the box listens on 127.0.0.1 only; for several machines use a Temporal cluster and --address", address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return int(n), err
}

// alone starts the engine, unless another process runs it.
func (a *app) alone(ctx context.Context, dir string, o embedded.Options) (*embedded.Engine, error) {
	for {
		box, err := embedded.Start(dir, o)
		if err == nil && box.Moved != (embedded.Moved{}) {
			a.moved(box)
		}
		if !errors.Is(err, embedded.ErrRunning) {
			return box, err
		}
		if embedded.Reach(ctx, dir) == nil {
			return nil, exit(exitFailed, "%v; `cairn worker` and all other verbs join it", err)
		}
		select {
		case <-time.After(again): // it is just starting or ending
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// care takes back what workers had that are gone, for as long as the context lives.
func (a *app) care(ctx context.Context, w *workshop, box *embedded.Engine) error {
	store, err := w.id()
	if err != nil {
		return err
	}
	crew, err := w.crew()
	if err != nil {
		return err
	}
	c, err := box.Client(client.Options{Logger: quiet{}})
	if err != nil {
		return err
	}
	go newCaretaker(&engine{client: c, namespace: embedded.Namespace, store: store, crew: crew}).watch(ctx)
	return nil
}
