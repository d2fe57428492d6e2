package label

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// Limits above which an annotation is taken for hostile.
const (
	maxAnnotation = 16 << 20 // bytes
	maxNames      = 1000     // different objects of one picture
)

// none begins the label of a picture without an object.
const none = "no "

// readXML reads annotations as those of PASCAL VOC (2007): a file a picture, which it names, with its objects. One that is broken leaves out the
// picture that has its name, and says why.
func (l Params) readXML(in plugins.Tree) (table, error) {
	out, found := table{}, false
	for _, f := range in.Files() {
		if !Matches(l.Table, f.Path) {
			continue
		}
		found = true
		stem := strings.TrimSuffix(path.Base(f.Path), path.Ext(f.Path))
		r, err := in.Open(f.Path)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", f.Path, err)
		}
		a, err := parseXML(io.LimitReader(r, maxAnnotation))
		_, rotten := io.Copy(io.Discard, r) // to the end, where a Tree compares it with its digest
		r.Close()
		if rotten != nil {
			return nil, fmt.Errorf("read %s: %w", f.Path, rotten)
		}
		e := entry{where: f.Path}
		if err != nil {
			e.problem = &plugins.Exclusion{Code: "broken-annotation", Reason: fmt.Sprintf("%s: %v", f.Path, err)}
		} else {
			e.labels, e.facts = l.objects(a), a.facts()
		}
		out.add(RowsSame, first(a.file, stem), e)
	}
	if !found {
		return nil, fmt.Errorf("labels.table: no file matches %q", l.Table)
	}
	return out, nil
}

// annotation is what an XML file says of a picture.
type annotation struct {
	file   string         // base name
	counts map[string]int // of objects, by name
}

func parseXML(r io.Reader) (annotation, error) {
	out := annotation{counts: map[string]int{}}
	d := xml.NewDecoder(r)
	var at []string
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(at) > 0 || out.file == "" {
				err = errors.New("no annotation that names its picture")
			} else {
				err = nil
			}
			return out, err
		}
		if err != nil {
			return out, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			at = append(at, t.Name.Local)
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			err = out.take(strings.Join(at[:min(len(at), 4)], "/"), strings.TrimSpace(text.String()))
			at = at[:len(at)-1]
			text.Reset()
		}
		if err != nil {
			return out, err
		}
	}
}

// take keeps what an element says that matters.
func (a *annotation) take(at, text string) error {
	switch at {
	case "annotation/filename":
		a.file = path.Base(strings.ReplaceAll(text, `\`, "/"))
	case "annotation/object/name":
		if text == "" {
			return errors.New("an object without a name")
		}
		if a.counts[text]++; len(a.counts) > maxNames {
			return fmt.Errorf("more than %d names of objects", maxNames)
		}
	}
	return nil
}

// facts are how many objects of each name there are.
func (a annotation) facts() map[string]string {
	out := map[string]string{}
	for name, n := range a.counts {
		out["objects "+name] = strconv.Itoa(n)
	}
	return out
}

// objects are the labels of a picture: the names of its objects, of those that are asked for if any are. If one is asked for and a label has to be given, a
// picture without it has "no " and its name.
func (l Params) objects(a annotation) []string {
	var out []string
	for name := range a.counts {
		if len(l.Columns) == 0 || slices.Contains(l.Columns, name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 && l.oneObject() {
		out = append(out, none+l.Columns[0])
	}
	slices.Sort(out)
	return out
}

func (l Params) oneObject() bool { return l.Task == document.Multiclass && len(l.Columns) == 1 }

// objectNames are the classes that follow from the parameters.
func (l Params) objectNames() []string {
	if l.oneObject() {
		return []string{l.Columns[0], none + l.Columns[0]}
	}
	return slices.Sorted(slices.Values(l.Columns))
}
