package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cairn-bench/cairn/manifests"
)

// Catalog is a whole catalog.
type Catalog struct {
	Selection  Selection
	Sources    []Source
	Procedures []Procedure
	Entries    []Entry // sorted by ID

	shape *jsonschema.Schema // of an entry
}

// Load reads and checks a catalog. The error is a manifests.Errors with everything that is wrong with its files, as
// long as they can be read.
func Load(files fs.FS) (*Catalog, error) {
	c, err := loadShared(files)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "datasets/*")
	if err != nil {
		return nil, fmt.Errorf("list the datasets of the catalog: %w", err)
	}
	var wrong manifests.Errors
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
		e, err := c.Parse(name, text)
		var all manifests.Errors
		switch {
		case errors.As(err, &all):
			wrong = append(wrong, all...)
		case err != nil:
			return nil, err
		default:
			c.Entries = append(c.Entries, *e)
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	slices.SortFunc(c.Entries, func(x, y Entry) int { return strings.Compare(x.ID, y.ID) })
	return c, nil
}

// loadShared reads what the entries refer to.
func loadShared(files fs.FS) (*Catalog, error) {
	c := &Catalog{}
	var sources Sources
	if err := shared(files, "sources.yaml", KindSources, c, &sources, checkSources); err != nil {
		return nil, err
	}
	c.Sources = sources.Sources
	var access Accesses
	if err := shared(files, "access.yaml", KindAccess, c, &access, checkAccess); err != nil {
		return nil, err
	}
	c.Procedures = access.Procedures
	if err := shared(files, "selection.yaml", KindSelection, c, &c.Selection, checkSelection); err != nil {
		return nil, err
	}
	shape, err := entrySchema(c)
	if err != nil {
		return nil, err
	}
	c.shape = shape
	return c, nil
}

// shared reads one file into v and checks it. It may name the sources that the catalog has by then.
func shared[T any](files fs.FS, name, kind string, c *Catalog, v *T, check func(*manifests.Document, *T)) error {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	shape, err := schemaOf[T](kind)
	if err != nil {
		return err
	}
	knowSources(shape, c.Sources)
	doc, err := manifests.Decode(name, text, shape, v)
	if err != nil {
		return err
	}
	check(doc, v)
	return doc.Err()
}

// Parse reads and checks one entry. The error is a manifests.Errors.
func (c *Catalog) Parse(file string, text []byte) (*Entry, error) {
	var e Entry
	doc, err := manifests.Decode(file, text, c.shape, &e)
	if err != nil {
		return nil, err
	}
	if base := strings.TrimSuffix(path.Base(file), ".yaml"); base != e.ID {
		doc.Fail("id", "want %q, as the file is called, have %q", base, e.ID)
	}
	c.checkEntry(doc, &e)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return &e, nil
}

// Format writes a file of a catalog in its one form.
func Format(v any) ([]byte, error) { return manifests.Encode(v) }

// Find returns an entry.
func (c *Catalog) Find(id string) (Entry, bool) {
	return find(c.Entries, id, func(e Entry) string { return e.ID })
}

// Near returns the ID that was probably meant, or "".
func (c *Catalog) Near(id string) string {
	known := ids(c.Entries, func(e Entry) string { return e.ID })
	if n := manifests.Nearest(id, known); n != "" {
		return n
	}
	for _, k := range known {
		if strings.Contains(k, strings.ToLower(id)) {
			return k
		}
	}
	return ""
}

// Source returns a source.
func (c *Catalog) Source(id string) (Source, bool) {
	return find(c.Sources, id, func(s Source) string { return s.ID })
}

// Procedure returns a procedure.
func (c *Catalog) Procedure(id string) (Procedure, bool) {
	return find(c.Procedures, id, func(p Procedure) string { return p.ID })
}

func find[T any](list []T, want string, id func(T) string) (T, bool) {
	for _, one := range list {
		if id(one) == want {
			return one, true
		}
	}
	var none T
	return none, false
}
