package cli

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	_ "modernc.org/sqlite"
)

// hunt looks for canaries, in whatever form, in whatever somebody could read.
type hunt struct {
	forms map[string]string // -> canary and form
	found map[string]bool   // canary and form, and where
	bytes int
}

// newHunt hunts the cores of canaries: letters and digits, which are the same in JSON, in quotes and in addresses.
func newHunt(c canaries) *hunt {
	h := &hunt{forms: map[string]string{}, found: map[string]bool{}}
	for what, core := range c.cores {
		h.forms[core] = what + ": itself"
		h.forms[core[:len(core)/2+2]], h.forms[core[len(core)/2-2:]] = what+": its beginning", what+": its end"
		h.forms[hex.EncodeToString([]byte(core))], h.forms[strings.ToUpper(hex.EncodeToString([]byte(core)))] = what+": in hex", what+": in HEX"
		h.forms[everyByte(core)] = what + ": each byte escaped"
		for before := range 3 { // of a header, what stands before the core shifts it
			text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), core...))
			h.forms[text[(before*8+5)/6:(before+len(core))*8/6]] = fmt.Sprintf("%s: in base64, %d", what, before)
		}
	}
	for form := range h.forms {
		if len(form) < 8 {
			delete(h.forms, form) // of a short core
		}
	}
	return h
}

// everyByte is a text as one writes it who escapes everything.
func everyByte(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		fmt.Fprintf(&out, "%%%02X", b)
	}
	return out.String()
}

// text looks into bytes, and into what is compressed in them.
func (h *hunt) text(where string, data []byte) {
	h.bytes += len(data)
	for form, what := range h.forms {
		if bytes.Contains(data, []byte(form)) {
			h.found[what+" in "+where] = true
		}
	}
	for magic, open := range compressions {
		for at := 0; ; at++ {
			i := bytes.Index(data[at:], []byte(magic))
			if i < 0 {
				break
			}
			at += i
			if inner := open(data[at:]); len(inner) > 0 {
				h.text(where+", compressed", inner)
			}
		}
	}
}

const maxInner = 64 << 20

// compressions are found by how they begin; what a stream holds up to a fault counts.
var compressions = map[string]func([]byte) []byte{
	"\x1f\x8b\x08": func(data []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		r.Multistream(false)
		out, _ := io.ReadAll(io.LimitReader(r, maxInner))
		return out
	},
	"\x28\xb5\x2f\xfd": func(data []byte) []byte {
		r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInner))
		if err != nil {
			return nil
		}
		defer r.Close()
		out, _ := io.ReadAll(io.LimitReader(r, maxInner))
		return out
	},
	"\xff\x06\x00\x00sNaPpY": func(data []byte) []byte {
		out, _ := io.ReadAll(io.LimitReader(snappy.NewReader(bytes.NewReader(data)), maxInner))
		return out
	},
}

// folder looks into the names and bytes of all files under a folder but some, and into the values of databases: a value
// that is longer than a page lies in pieces in the file.
func (h *hunt) folder(t *testing.T, dir string, but ...string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() || slices.Contains(but, path) {
			return err
		}
		files++
		h.text("the name of a file", []byte(path))
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		where, _ := filepath.Rel(dir, path)
		h.text(where, data)
		if bytes.HasPrefix(data, []byte("SQLite format 3\x00")) {
			h.database(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (h *hunt) database(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables, err := db.Query(`select name from sqlite_master where type = 'table'`)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := tables.Err(); err != nil || len(names) == 0 {
		t.Fatalf("%s has %d tables, %v", path, len(names), err)
	}
	for _, name := range names {
		h.table(t, db, name)
	}
}

func (h *hunt) table(t *testing.T, db *sql.DB, name string) {
	t.Helper()
	rows, err := db.Query(`select * from "` + name + `"`)
	if err != nil {
		t.Fatalf("table %s: %v", name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(sql.RawBytes)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			t.Fatalf("table %s: %v", name, err)
		}
		for i, v := range values {
			h.text(fmt.Sprintf("column %s of table %s", columns[i], name), *v.(*sql.RawBytes))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("table %s: %v", name, err)
	}
}

// catch is what was found.
func (h *hunt) catch() []string { return slices.Sorted(maps.Keys(h.found)) }

// TestHunt: a canary is found in each form at each place, or else the hunt proves nothing.
func TestHunt(t *testing.T) {
	c := canaries{map[string]string{}}
	value := c.odd("password")
	var zipped, zstandard bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprintf(z, "%s", value)
	z.Close()
	e, _ := zstd.NewWriter(&zstandard)
	fmt.Fprintf(e, "%s", value)
	e.Close()
	for name, form := range map[string]struct{ text, want string }{
		"itself":  {value, "password: itself in f"},
		"quoted":  {fmt.Sprintf("%q", value), "password: itself in f"},
		"escaped": {url.QueryEscape(value), "password: itself in f"},
		"cut off": {value[:len(value)-12], "password: its beginning in f"},
		"hex":     {hex.EncodeToString([]byte("x" + value)), "password: in hex in f"},
		"basic 1": {basic("a", value), "password: in base64, 2 in f"},
		"basic 2": {basic("ab", value), "password: in base64, 0 in f"},
		"basic 3": {basic("abc", value), "password: in base64, 1 in f"},
		"gzip":    {zipped.String(), "password: itself in f, compressed"},
		"zstd":    {zstandard.String(), "password: itself in f, compressed"},
	} {
		h := newHunt(c)
		h.text("f", []byte("before "+form.text+" after"))
		if !h.found[form.want] {
			t.Errorf("%s: found %q, want %q", name, h.catch(), form.want)
		}
	}
	h := newHunt(c)
	h.text("f", []byte(strings.Repeat("kanari itself is a word of its own ", 99)))
	if diff := cmp.Diff([]string(nil), h.catch()); diff != "" {
		t.Errorf("found in what holds none: %s", diff)
	}
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`create table events (id integer, data blob); insert into events values (1, ?)`, []byte(strings.Repeat("x", 4085)+value+strings.Repeat("y", 9000))); err != nil {
		t.Fatal(err)
	}
	h = newHunt(c)
	h.folder(t, dir)
	if !h.found["password: itself in column data of table events"] {
		t.Errorf("found in a database: %q", h.catch())
	}
}
