package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// File that says what the plugin in a folder is, and the version of it.
const (
	DeclarationFile   = "plugin.json"
	DeclarationSchema = "cairn/plugin/v1"
)

// Declaration is what an author says of a plugin, in the file plugin.json of its folder.
type Declaration struct {
	Schema      string              `json:"schema"`
	Kind        catalog.Kind        `json:"kind"`
	Name        string              `json:"name"`
	Version     string              `json:"version"`
	Summary     string              `json:"summary"`          // one sentence
	Command     []string            `json:"command"`          // a program of the folder if it has a slash, else one of PATH; and its arguments
	Params      json.RawMessage     `json:"params,omitempty"` // JSON Schema
	Determinism catalog.Determinism `json:"determinism"`
	Reason      string              `json:"reason,omitempty"`      // why the class is not exact
	Queue       string              `json:"queue,omitempty"`       // io, cpu or gpu; default io for a fetch, else cpu
	MemoryBytes int64               `json:"memoryBytes,omitempty"` // what it may have; 0 for any amount
	Modalities  []string            `json:"modalities,omitempty"`
	Variables   []string            `json:"variables,omitempty"` // of the environment, for a fetch: credentials
}

// Bounds of a folder. It is copied for every step.
const (
	maxFolderFiles = 10_000
	maxFolderBytes = 1 << 30
	maxDeclaration = 1 << 20
)

// pluginFolder is the folder of a plugin as it was read. Its digest is over path, size, mode and digest of every file,
// sorted by path. Hidden files, and what Python leaves beside its modules, are not part of it.
type pluginFolder struct {
	dir    string
	files  []folderFile
	digest digest.Digest
	text   []byte // of the declaration
}

// folderFile is a file of a plugin; its fields are part of the digest.
type folderFile struct {
	Path   string        `json:"path"`
	Size   int64         `json:"size"`
	Mode   string        `json:"mode"` // "755" if its owner may execute it, else "644"
	Digest digest.Digest `json:"digest"`
}

// readFolder reads a folder, and copies it if to is not "".
func readFolder(dir, to string) (*pluginFolder, error) {
	f := &pluginFolder{dir: dir}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("the folder %s of the plugin: %s", dir, withoutPath(err))
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder; want one with a %s", dir, DeclarationFile)
	}
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if ignored(d.Name()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || d.IsDir() {
			return err
		}
		file, err := f.read(filepath.ToSlash(rel), d, to)
		if err != nil {
			return err
		}
		if total += file.Size; total > maxFolderBytes || len(f.files) == maxFolderFiles {
			return fmt.Errorf("the folder has more than %d files or %s; what a plugin needs beside its code belongs where it is installed", maxFolderFiles, size(maxFolderBytes))
		}
		f.files = append(f.files, file)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", dir, err)
	}
	slices.SortFunc(f.files, func(a, b folderFile) int { return strings.Compare(a.Path, b.Path) })
	f.digest, err = canonical.Digest(struct {
		Schema string       `json:"schema"`
		Files  []folderFile `json:"files"`
	}{"cairn/plugin-folder/v1", f.files})
	return f, err
}

func ignored(name string) bool { return strings.HasPrefix(name, ".") || name == "__pycache__" }

func (f *pluginFolder) read(path string, d fs.DirEntry, to string) (folderFile, error) {
	if !d.Type().IsRegular() {
		return folderFile{}, fmt.Errorf("%s is a %s; a plugin has regular files", path, kindOf(d.Type()))
	}
	if needPath(path) != nil {
		return folderFile{}, fmt.Errorf("%q is not a name that is valid everywhere", path)
	}
	in, err := openRegular(f.dir, path)
	if err != nil {
		return folderFile{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return folderFile{}, err
	}
	out := folderFile{Path: path, Mode: "644"}
	perm := fs.FileMode(0o444)
	if info.Mode()&0o100 != 0 {
		out.Mode, perm = "755", 0o555
	}
	hash := digest.SHA256.Digester()
	w := io.Writer(hash.Hash())
	var copied *os.File
	if to != "" {
		if copied, err = createIn(to, path, perm); err != nil {
			return folderFile{}, err
		}
		w = io.MultiWriter(w, copied)
	}
	var text bytes.Buffer
	if path == DeclarationFile {
		w = io.MultiWriter(w, &text)
	}
	out.Size, err = io.Copy(w, io.LimitReader(in, maxFolderBytes+1))
	if copied != nil {
		err = errors.Join(err, copied.Close())
	}
	if path == DeclarationFile {
		f.text = text.Bytes()
	}
	out.Digest = hash.Digest()
	return out, err
}

func createIn(dir, path string, perm fs.FileMode) (*os.File, error) {
	name := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
}

// declaration reads plugin.json.
func (f *pluginFolder) declaration() (*Declaration, error) {
	switch {
	case f.text == nil:
		return nil, fmt.Errorf("plugin %s: there is no %s", f.dir, DeclarationFile)
	case len(f.text) > maxDeclaration:
		return nil, fmt.Errorf("plugin %s: %s has %d bytes, at most %d are read", f.dir, DeclarationFile, len(f.text), maxDeclaration)
	}
	d, err := ParseDeclaration(f.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(f.dir, DeclarationFile), err)
	}
	if strings.Contains(d.Command[0], "/") && !slices.ContainsFunc(f.files, func(x folderFile) bool { return x.Path == d.Command[0] && x.Mode == "755" }) {
		return nil, fmt.Errorf("%s: command: %s is not an executable file of the folder", filepath.Join(f.dir, DeclarationFile), d.Command[0])
	}
	return d, nil
}

// ParseDeclaration reads and checks a declaration.
func ParseDeclaration(text []byte) (*Declaration, error) {
	var d Declaration
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the object")
	}
	if d.Queue == "" {
		d.Queue = catalog.QueueCPU
		if d.Kind == catalog.Fetch {
			d.Queue = catalog.QueueIO
		}
	}
	return &d, d.check()
}

func (d *Declaration) check() error {
	switch {
	case d.Schema != DeclarationSchema:
		return fmt.Errorf("schema is %q, want %q", d.Schema, DeclarationSchema)
	case !isName(d.Name):
		return fmt.Errorf("name is %q: want lower-case letters, digits and dashes, at most 64", d.Name)
	case d.Version == "" || len(d.Version) > 64 || strings.ContainsAny(d.Version, "@/ \t\n") || plain(d.Version) != d.Version:
		return fmt.Errorf("version is %q: want at most 64 characters without blanks, @ and /", d.Version)
	case plain(d.Summary) != d.Summary || strings.Contains(d.Summary, "\n") || len(d.Summary) > 300:
		return errors.New("summary: want one line of at most 300 characters")
	case len(d.Command) == 0 || d.Command[0] == "":
		return errors.New("command is empty: want a program and its arguments, such as [\"python3\", \"main.py\"]")
	case strings.Contains(d.Command[0], "/") && needPath(d.Command[0]) != nil:
		return fmt.Errorf("command: %q: want a program of the folder, or the name of one of PATH", d.Command[0])
	case slices.ContainsFunc(d.Command, func(s string) bool { return strings.ContainsRune(s, 0) }):
		return errors.New("command: there is a zero byte")
	case d.MemoryBytes < 0 || d.MemoryBytes > 0 && d.MemoryBytes < 16<<20:
		return fmt.Errorf("memoryBytes is %d: want 16 MiB or more", d.MemoryBytes)
	case len(d.Variables) > 0 && d.Kind != catalog.Fetch:
		return fmt.Errorf("variables: a plugin of kind %s gets none of the environment; what changes its result is a parameter", d.Kind)
	}
	for _, v := range d.Variables {
		if !isVariable(v) {
			return fmt.Errorf("variables: %q is not the name of one: want letters, digits and underscores", v)
		}
	}
	return d.spec("").Check()
}

func isName(s string) bool {
	ok := func(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' }
	return s != "" && len(s) <= 64 && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool { return !ok(r) })
}

func isVariable(s string) bool {
	ok := func(r rune) bool {
		return r == '_' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
	}
	return s != "" && (s[0] < '0' || s[0] > '9') && !strings.ContainsFunc(s, func(r rune) bool { return !ok(r) })
}

func (d *Declaration) spec(id digest.Digest) catalog.Spec {
	return catalog.Spec{Kind: d.Kind, Name: d.Name, Version: d.Version, Digest: id, Summary: d.Summary, Determinism: d.Determinism, Reason: d.Reason,
		Queue: d.Queue, MemoryBytes: d.MemoryBytes, Network: d.Kind == catalog.Fetch, Modalities: d.Modalities, Params: d.Params, Secrets: d.Variables}
}
