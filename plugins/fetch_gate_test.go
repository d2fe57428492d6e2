package plugins_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

type gated struct{ env plugins.Env }

func (g gated) List(context.Context) ([]plugins.SourceFile, error) { return nil, nil }
func (g gated) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	return nil, io.EOF
}
func (g gated) Missing(context.Context) ([]plugins.Missing, error) {
	if _, ok := g.env.Lookup("OTHERS"); ok {
		panic("a plugin sees a secret that is not its own")
	}
	return plugins.Secrets(g.env, "https://x.test/keys", []string{"USER", "KEY"}, []string{"TOKEN"}), nil
}

// TestMissing: any one way in is enough, an empty value is none, and a plugin sees only its own credentials.
func TestMissing(t *testing.T) {
	p := plugins.Fetch(catalog.Spec{Name: "x", Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueIO,
		Secrets: []string{"USER", "KEY", "TOKEN"}}, struct{}{}, func(_ struct{}, env plugins.Env, _ uint64) (plugins.Source, error) { return gated{env}, nil })
	for _, c := range []struct {
		env  map[string]string
		want string // "" is nothing
	}{
		{nil, "credentials USER and KEY, or TOKEN"},
		{map[string]string{"USER": "u"}, "credentials USER and KEY, or TOKEN"},
		{map[string]string{"USER": "u", "KEY": ""}, "credentials USER and KEY, or TOKEN"},
		{map[string]string{"USER": "u", "KEY": "k"}, ""},
		{map[string]string{"TOKEN": "t", "OTHERS": "s"}, ""},
	} {
		env := plugins.Env{Lookup: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
		missing, err := p.Missing(t.Context(), json.RawMessage(`{}`), env)
		var got []string
		for _, m := range missing {
			got = append(got, m.What)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, "; ")); diff != "" || err != nil {
			t.Errorf("%v: %v\n%s", c.env, err, diff)
		}
	}
}
