package tabular

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// Limits of a workbook, which is held in memory packed, and of which the shared texts and the first sheet are unpacked.
const (
	maxXLSX      = 1 << 28
	maxPart      = 1 << 28
	maxSheet     = 1 << 24 // cells: rows times columns
	maxTexts     = 1 << 22
	maxColumns   = 1 << 14 // that a sheet can have
	maxSheetRows = 1 << 20
)

// readXLSX reads the first sheet of a workbook of Office Open XML (ECMA-376). Cells are the values that are stored: formulas by what they gave last,
// truth values as true and false, numbers in the shortest form that is the same number, dates as the numbers of days that they are. Of
// merged cells the first has the value. Rows without a value are passed over.
func readXLSX(in plugins.Tree, file string, f Format) (Table, error) {
	r, err := inflate.Open(in, file, maxXLSX)
	if err != nil {
		return Table{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return Table{}, err
	}
	t, err := parseXLSX(data, file, f)
	if err != nil {
		return Table{}, fmt.Errorf("%s: xlsx: %w", file, err)
	}
	return t, nil
}

func parseXLSX(data []byte, file string, f Format) (Table, error) {
	if bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")) {
		return Table{}, errors.New("a workbook of the older form .xls, or one with a password; save it as .xlsx without, or as .csv")
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return Table{}, fmt.Errorf("is no workbook: %w", err)
	}
	w := workbook{z}
	sheet, texts, err := w.parts()
	if err != nil {
		return Table{}, err
	}
	shared, err := w.texts(texts)
	if err != nil {
		return Table{}, err
	}
	s := sheetReader{shared: shared, format: f, Table: Table{File: file, Columns: f.Columns}}
	if err := w.each(sheet, s.token); err != nil {
		return Table{}, err
	}
	if len(s.Columns) == 0 {
		return Table{}, errors.New("no header and no names of columns given")
	}
	return s.Table, nil
}

// workbook is the zip of one.
type workbook struct{ *zip.Reader }

// part finds a part by its name, in which upper and lower case are the same.
func (w workbook) part(name string) *zip.File {
	for _, f := range w.File {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// each gives every token of a part.
func (w workbook) each(name string, use func(xml.Token) error) error {
	f := w.part(name)
	if f == nil {
		return fmt.Errorf("part %s is missing", name)
	}
	if f.UncompressedSize64 > maxPart { // of a part that unpacks to more than it says, archive/zip gives no more
		return fmt.Errorf("part %s unpacks to more than %d bytes", name, maxPart)
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("part %s: %w", name, err)
	}
	defer r.Close()
	dec := xml.NewDecoder(r)
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("part %s: %w", name, err)
		}
		if err := use(t); err != nil {
			return fmt.Errorf("part %s: %w", name, err)
		}
	}
}

// relation leads from one part to another.
type relation struct{ id, kind, target string }

// relations are those of a part.
func (w workbook) relations(of string) ([]relation, error) {
	var out []relation
	folder, base := path.Split(of)
	err := w.each(folder+"_rels/"+base+".rels", func(t xml.Token) error {
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "Relationship" || attr(e, "TargetMode") == "External" {
			return nil
		}
		target := attr(e, "Target")
		if strings.HasPrefix(target, "/") {
			target = target[1:]
		} else {
			target = path.Join(folder, target)
		}
		out = append(out, relation{attr(e, "Id"), path.Base(attr(e, "Type")), target})
		return nil
	})
	return out, err
}

// parts finds the first sheet, and the part with the texts that cells share, "" if there is none.
func (w workbook) parts() (sheet, texts string, err error) {
	roots, err := w.relations("")
	if err != nil {
		return "", "", err
	}
	book := ""
	for _, r := range roots {
		if r.kind == "officeDocument" && book == "" {
			book = r.target
		}
	}
	if book == "" {
		return "", "", errors.New("the archive has no workbook")
	}
	first := ""
	err = w.each(book, func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "sheet" && first == "" {
			first = prefixed(e, "id")
		}
		return nil
	})
	if err != nil {
		return "", "", err
	}
	relations, err := w.relations(book)
	for _, r := range relations {
		if r.kind == "worksheet" && r.id == first {
			sheet = r.target
		}
		if r.kind == "sharedStrings" {
			texts = r.target
		}
	}
	if err == nil && sheet == "" {
		err = errors.New("the workbook has no sheet of cells")
	}
	return sheet, texts, err
}

// texts reads the texts that cells share. What is said of how a text sounds (rPh) is no part of it.
func (w workbook) texts(part string) ([]string, error) {
	if part == "" {
		return nil, nil
	}
	var out []string
	var text textReader
	err := w.each(part, func(t xml.Token) error {
		text.token(t)
		if e, ok := t.(xml.EndElement); ok && e.Name.Local == "si" {
			if len(out) == maxTexts {
				return fmt.Errorf("more than %d texts", maxTexts)
			}
			out = append(out, text.take())
		}
		return nil
	})
	return out, err
}

// textReader joins the runs of a text.
type textReader struct {
	b           strings.Builder
	in, sounded bool
}

func (r *textReader) token(t xml.Token) {
	switch t := t.(type) {
	case xml.StartElement:
		r.in = t.Name.Local == "t"
		r.sounded = r.sounded || t.Name.Local == "rPh"
	case xml.EndElement:
		r.in = false
		if t.Name.Local == "rPh" {
			r.sounded = false
		}
	case xml.CharData:
		if r.in && !r.sounded {
			r.b.Write(t)
		}
	}
}

// take gives the text that came, and begins another.
func (r *textReader) take() string {
	out := r.b.String()
	*r = textReader{}
	return out
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// prefixed is an attribute of another namespace, whatever its prefix.
func prefixed(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}
