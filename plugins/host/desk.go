package host

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/cairn-bench/cairn/plugins"
)

// desk hands the files of the inputs to a plugin of this program that runs in another process, over a socket in the
// folder of the call, and the variables of the environment that a fetch asks for by name. So that process needs
// neither the store nor its credentials, and nothing is copied that is not read.
type desk struct {
	call plugins.Call

	mu  sync.Mutex
	err error // the first fault of an input
}

func newDesk(c plugins.Call) *desk { return &desk{call: c} }

// start serves until the returned function is called.
func (d *desk) start(l net.Listener) (stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /list/{input}", d.list)
	mux.HandleFunc("GET /file/{input}", d.file)
	mux.HandleFunc("GET /variable", d.variable)
	server := &http.Server{Handler: mux} // the other side is this program: no need for time limits
	ended := make(chan struct{})
	go func() { _ = server.Serve(l); close(ended) }()
	return func() { _ = server.Close(); <-ended }
}

func (d *desk) broken() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *desk) fault(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}

func (d *desk) tree(w http.ResponseWriter, r *http.Request) plugins.Tree {
	i, err := strconv.Atoi(r.PathValue("input"))
	if err != nil || i < 0 || i >= len(d.call.Inputs) {
		http.Error(w, "no such input", http.StatusBadRequest)
		return nil
	}
	return d.call.Inputs[i].Tree
}

func (d *desk) list(w http.ResponseWriter, r *http.Request) {
	tree := d.tree(w, r)
	if tree == nil {
		return
	}
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	for _, f := range tree.Files() {
		if enc.Encode(f) != nil {
			return // the plugin is gone
		}
	}
	_ = enc.Encode(plugins.File{}) // says that the list is whole
	_ = out.Flush()
}

func (d *desk) file(w http.ResponseWriter, r *http.Request) {
	tree := d.tree(w, r)
	if tree == nil {
		return
	}
	path := r.URL.Query().Get("path")
	f, err := tree.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		d.fault(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	var in watched
	in.Reader = f
	if _, err = io.Copy(w, &in); in.err != nil {
		d.fault(in.err)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // so that the other side sees no end
	}
}

// watched keeps the error of a reader apart from that of the writer.
type watched struct {
	io.Reader
	err error
}

func (s *watched) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// variable answers with a credential, or else with why it is not to be had.
func (d *desk) variable(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if d.call.Env.Lookup != nil {
		if v, ok := d.call.Env.Lookup(name); ok {
			_, _ = io.WriteString(w, v)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
	if d.call.Env.Trouble != nil {
		if err := d.call.Env.Trouble(name); err != nil {
			_, _ = io.WriteString(w, err.Error())
		}
	}
}

// visitor asks a desk.
type visitor struct{ client http.Client }

func newVisitor(socket string) *visitor {
	var dialer net.Dialer
	return &visitor{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		DisableCompression: true, MaxIdleConnsPerHost: 64,
	}}}
}

func (v *visitor) get(path, name, value string) (*http.Response, error) {
	resp, err := v.client.Get("http://desk" + path + "?" + url.Values{name: {value}}.Encode())
	if err != nil {
		return nil, errors.New("the worker does not answer: " + err.Error())
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxText))
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, absent(text)
	}
	return nil, fmt.Errorf("the worker says: %s", text)
}

// absent says that something is not there, and why, if the worker knows.
type absent string

func (a absent) Error() string { return cmp.Or(string(a), fs.ErrNotExist.Error()) }

// Is makes it fs.ErrNotExist.
func (absent) Is(target error) bool { return target == fs.ErrNotExist }

func (v *visitor) lookup(name string) (string, bool) {
	resp, err := v.get("/variable", "name", name)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err == nil
}

// trouble is why a credential is not to be had.
func (v *visitor) trouble(name string) error {
	resp, err := v.get("/variable", "name", name)
	if why, ok := errors.AsType[absent](err); ok && why != "" {
		return why
	}
	if err == nil {
		resp.Body.Close()
	}
	return nil
}

// tree opens an input.
func (v *visitor) tree(i int) (plugins.Tree, error) {
	resp, err := v.get(fmt.Sprintf("/list/%d", i), "of", "all")
	if err != nil {
		return nil, fmt.Errorf("list input: %w", err)
	}
	defer resp.Body.Close()
	t := &distant{v: v, input: i}
	for dec := json.NewDecoder(resp.Body); ; {
		var f plugins.File
		if err := dec.Decode(&f); err != nil {
			return nil, fmt.Errorf("list input: %w", err)
		}
		if f.Path == "" {
			return t, nil
		}
		t.files = append(t.files, f)
	}
}

// distant is an input that another process reads.
type distant struct {
	v     *visitor
	input int
	files []plugins.File
}

// Files lists the input, sorted by path.
func (t *distant) Files() []plugins.File { return t.files }

// Open reads a file. Its bytes are checked where they come from, before the end is seen here.
func (t *distant) Open(path string) (io.ReadCloser, error) {
	resp, err := t.v.get(fmt.Sprintf("/file/%d", t.input), "path", path) //nolint:bodyclose // who opened the file closes it
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return body{resp.Body, path}, nil
}

// ReadFile reads a whole file.
func (t *distant) ReadFile(path string) ([]byte, error) {
	r, err := t.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// body is what comes of a file. That it ended early says nothing but that the worker could not read it.
type body struct {
	io.ReadCloser
	path string
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: the worker could not read on", b.path)
	}
	return n, err
}
