package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cairn-bench/cairn/plugins"
)

// Isolated runs the plugins of this program in processes of their own, so that one that crashes, or eats all memory,
// takes nobody along. They give the same bytes as in this process. command starts this program so that it calls
// Serve.
func (h *Host) Isolated(command []string) Runner {
	return func(ctx context.Context, p plugins.Plugin, c plugins.Call) error {
		if p.Spec().Digest != "" {
			return InProcess(ctx, p, c) // it brings a process of its own
		}
		if c.Progress == nil {
			c.Progress = func(plugins.Progress) {}
		}
		c.Env = c.Env.For(p.Spec()) // p.Run does it in the other process, which is not to be able to ask for more
		return h.isolate(ctx, command, p, c)
	}
}

func (h *Host) isolate(ctx context.Context, command []string, p plugins.Plugin, c plugins.Call) error {
	s, err := h.newSession(p.Spec(), c)
	if err != nil {
		return err
	}
	defer s.close()
	desk, done, err := s.serve()
	if err != nil {
		return err
	}
	defer done()
	err = s.run(ctx, &process{command: command, dir: s.req.Scratch, env: s.environment(h.ambient(p.Spec().Network))})
	if err != nil {
		// That a file of the store cannot be read is not the plugin's fault, whatever it made of it.
		if broken := desk.broken(); broken != nil && ctx.Err() == nil {
			return broken
		}
		return err
	}
	out, err := collect(s.req.Output)
	if err != nil {
		return err
	}
	return out.deliver(ctx, p.Spec().Kind, c.Output)
}

// maxSocket is how long the path of a socket may be, everywhere.
const maxSocket = 100

// serve gives the plugin the files of its inputs.
func (s *session) serve() (*desk, func(), error) {
	dir, extra := s.dir, ""
	if len(dir)+len("/desk") > maxSocket {
		var err error
		if extra, err = os.MkdirTemp("", "cairn-"); err != nil {
			return nil, nil, fmt.Errorf("make folder for a socket: %w", err)
		}
		dir = extra
	}
	s.req.Socket = filepath.Join(dir, "desk")
	l, err := net.Listen("unix", s.req.Socket)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for the plugin: %w", err)
	}
	d := newDesk(s.call)
	stop := d.start(l)
	return d, func() {
		stop()
		if extra != "" {
			_ = os.RemoveAll(extra)
		}
	}, nil
}

// environment is all that a plugin sees of it: where to look for programs, folders of its own, and what else is
// given.
func (s *session) environment(more []string) []string {
	tmp := filepath.Join(s.req.Scratch, "tmp")
	return append([]string{"HOME=" + s.req.Scratch, "TMPDIR=" + tmp, "LANG=C.UTF-8", "TZ=UTC"}, more...)
}

// onTheWay are the variables that say how to reach the network, for plugins that do.
var onTheWay = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// ambient are the variables that every plugin gets, and those of the network for one that needs it.
func (h *Host) ambient(network bool) []string {
	names := []string{"PATH"}
	if network {
		for _, n := range onTheWay {
			names = append(names, n, strings.ToLower(n))
		}
	}
	var out []string
	for _, n := range names {
		if v, ok := h.lookup(n); ok {
			out = append(out, n+"="+v)
		}
	}
	return out
}

func (h *Host) lookup(name string) (string, bool) {
	if h.Lookup == nil {
		return "", false
	}
	return h.Lookup(name)
}

// interrupted says whether an error is there because the plugin was asked to end.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE))
}
