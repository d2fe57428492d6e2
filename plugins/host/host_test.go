package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// source lists nothing, the way it is told to.
type lister func() error

func (s lister) List(context.Context) ([]plugins.SourceFile, error) { return nil, s() }
func (s lister) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	return nil, errors.New("nothing is listed")
}

func TestInProcess(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		do    lister
		panic bool
		want  string
	}{
		{"error", func() error { return broken }, false, "broken"},
		{"panic", func() error { panic("index 7") }, true, "the plugin panicked: index 7 (host_test.go:"},
		{"panic with an error", func() error { panic(broken) }, true, "the plugin panicked: broken (host_test.go:"},
	} {
		spec := catalog.Spec{Name: "test", Version: "1", Summary: "Lists nothing.", Determinism: catalog.Exact, Queue: catalog.QueueIO}
		p := plugins.Fetch(spec, struct{}{}, func(struct{}, plugins.Env, uint64) (plugins.Source, error) { return c.do, nil })
		err := InProcess(t.Context(), p, plugins.Call{Params: json.RawMessage("{}")})
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrPanic) != c.panic {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}
