package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// Load makes a plugin of a folder.
func (h *Host) Load(dir string) (plugins.Plugin, error) {
	f, err := readFolder(dir, "")
	if err != nil {
		return plugins.Plugin{}, err
	}
	d, err := f.declaration()
	if err != nil {
		return plugins.Plugin{}, err
	}
	if err := h.refuse(d.Variables); err != nil {
		return plugins.Plugin{}, fmt.Errorf("%s: variables: %w", filepath.Join(dir, DeclarationFile), err)
	}
	x := &external{host: h, folder: f, Declaration: *d}
	x.spec = d.spec(f.digest)
	p, err := plugins.External(x.spec, x.run)
	if err != nil {
		return p, fmt.Errorf("%s: %w", filepath.Join(dir, DeclarationFile), err)
	}
	return p, nil
}

// refuse refuses the names of what a plugin of a folder is not given: the credentials of others.
func (h *Host) refuse(variables []string) error {
	for _, name := range variables {
		if h.Owner == nil {
			break
		}
		if who := h.Owner(name); who != "" {
			return fmt.Errorf("%s is for %s and nobody else; give the credentials of this plugin a name of their own", name, who)
		}
	}
	return nil
}

// external is the plugin of a folder.
type external struct {
	Declaration
	host   *Host
	folder *pluginFolder
	spec   catalog.Spec
}

// ErrChanged says that the folder of a plugin is not what it was.
var ErrChanged = errors.New("the folder of the plugin has changed since it was read; run again")

// run does a step: it copies the plugin and its inputs into a folder of the call, and takes what the plugin wrote, if it
// is what plugins of its kind give.
func (x *external) run(ctx context.Context, c plugins.Call) error {
	s, err := x.host.newSession(x.spec, c)
	if err != nil {
		return err
	}
	defer s.close()
	code := s.path(pluginDir)
	if err := os.Mkdir(code, 0o700); err != nil {
		return err
	}
	copied, err := readFolder(x.folder.dir, code)
	if err != nil {
		return err
	}
	if copied.digest != x.folder.digest {
		return fmt.Errorf("%w: it was %s, it is %s", ErrChanged, x.folder.digest, copied.digest)
	}
	if err := s.bringInputs(ctx); err != nil {
		return err
	}
	command, err := x.command(code)
	if err != nil {
		return err
	}
	given := x.variables(c)
	s.hide = hiding(given)
	env := append(x.host.ambient(x.spec.Network), given...)
	if err := s.run(ctx, &process{command: command, dir: code, env: s.environment(env), memory: x.MemoryBytes}); err != nil {
		return err
	}
	out, err := collect(s.req.Output)
	if err != nil {
		return err
	}
	return s.accept(ctx, out)
}

// command is the program with its arguments.
func (x *external) command(code string) ([]string, error) {
	program := x.Command[0]
	if strings.Contains(program, "/") {
		return append([]string{filepath.Join(code, program)}, x.Command[1:]...), nil
	}
	path, _ := x.host.lookup("PATH")
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return append([]string{found}, x.Command[1:]...), nil
		}
	}
	return nil, fmt.Errorf("the plugin %s needs the program %s, which is not in PATH; install it", x.spec.Identity(), program)
}

// variables are those that a fetch has asked for.
func (x *external) variables(c plugins.Call) []string {
	var out []string
	for _, name := range x.Variables {
		if c.Env.Lookup == nil {
			break
		}
		if v, ok := c.Env.Lookup(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// hiding takes the values of variables out of a text. One of a few letters is part of ordinary words.
func hiding(variables []string) *strings.Replacer {
	const short = 4
	var pairs []string
	for _, v := range variables {
		if name, value, _ := strings.Cut(v, "="); len(value) >= short {
			pairs = append(pairs, value, "["+name+"]")
		}
	}
	return strings.NewReplacer(pairs...)
}

// bringInputs lays the files of the inputs where the plugin can read them.
func (s *session) bringInputs(ctx context.Context) error {
	for i, in := range s.call.Inputs {
		dir := filepath.Join(s.path(inputDir), fmt.Sprintf("%d", i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		for _, f := range in.Tree.Files() {
			if err := bring(ctx, in.Tree, f.Path, dir); err != nil {
				return fmt.Errorf("input %s: %w", in.Name, err)
			}
		}
		if err := readOnly(dir); err != nil {
			return err
		}
		s.req.Inputs[i].Path = dir
	}
	return nil
}

func bring(ctx context.Context, t plugins.Tree, path, dir string) error {
	in, err := t.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := createIn(dir, path, 0o444)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, reader{ctx, in})
	return errors.Join(err, out.Close())
}

// readOnly takes away the right to change the folders below dir, and dir.
func readOnly(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o500)
		}
		return err
	})
}
