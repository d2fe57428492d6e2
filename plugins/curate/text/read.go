package text

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// Limits, so that a wrong file is an error and not a full memory.
const (
	maxBytes   = 1 << 30 // of a file
	maxSamples = 1 << 22
	maxID      = 150 // as a key
)

// readText reads a file of plain text, without a byte order mark.
func readText(in plugins.Tree, file string) (string, error) {
	f, err := inflate.Open(in, file, maxText+1)
	if err != nil {
		return "", plugins.Exclude("unreadable", "%v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil && !errors.Is(err, inflate.ErrTooLong) {
		return "", plugins.Exclude("unreadable", "%v", err)
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

// object is one sample of a file.
type object struct {
	name  string // of the member, or its number
	value map[string]any
}

func (r *recipe) planObjects(ctx context.Context, in plugins.Tree, files []string) (plugins.Curation, error) {
	out := plugins.Curation{Task: document.Task{Type: r.Label.Task, Classes: r.Label.Classes.Classes()}}
	sides, err := r.readSides(in)
	if err != nil {
		return out, err
	}
	seen := map[string]bool{}
	for _, file := range files {
		err := r.objects(ctx, in, file, func(o object) error {
			if len(out.Candidates) == maxSamples {
				return fmt.Errorf("more than %d samples", maxSamples)
			}
			c, text := r.candidate(file, o, sides)
			r.texts = append(r.texts, text)
			if c.Index = len(out.Candidates); seen[c.ID] {
				c.Excluded = &plugins.Exclusion{Code: "ambiguous-id", Reason: fmt.Sprintf("id %s is there twice", c.ID)}
				c.ID = fmt.Sprintf("%s-again-%d", c.ID, c.Index)
			}
			seen[c.ID] = true
			out.Candidates = append(out.Candidates, c)
			return nil
		})
		if err != nil {
			return out, fmt.Errorf("%s: %w", file, err)
		}
	}
	return out, nil
}

// sidesOf holds the publisher's sides by id, and the side of those that no file names.
type sidesOf struct {
	of     map[string]string
	others string
}

func (r *recipe) candidate(file string, o object, sides sidesOf) (c plugins.Candidate, text string) {
	id := o.name
	if r.ID != "" {
		id = strings.Join(at(o.value, r.ID), " ")
	}
	c = plugins.Candidate{ID: plugins.Key(id), Files: []string{file}, Subject: r.subject(o), Meta: map[string]string{}}
	if id == "" || len(c.ID) > maxID {
		c.ID = fmt.Sprintf("%.60s-object-%d", plugins.Key(path.Base(file)), len(r.texts)+1)
		c.Excluded = &plugins.Exclusion{Code: "bad-id", Reason: fmt.Sprintf("id %.60q is empty or longer than %d bytes", id, maxID)}
		return c, ""
	}
	for _, name := range r.Meta {
		c.Meta[name] = strings.Join(at(o.value, name), "; ")
	}
	if len(r.Sides) > 0 {
		if c.Split = sides.of[id]; c.Split == "" {
			c.Split = sides.others
		}
	}
	var texts []string
	for _, name := range r.Text {
		texts = append(texts, at(o.value, name)...)
	}
	c.Labels, c.Excluded = r.Label.classes(truths(o.value, r.Label.Path))
	return c, strings.Join(texts, "\n\n")
}

// subject is whom an object is about.
func (r *recipe) subject(o object) string {
	name := strings.Join(at(o.value, r.Subject), " ")
	if m := regexp.MustCompile(r.SubjectPattern).FindStringSubmatch(name); len(m) > 1 { // was compiled before
		return m[1]
	}
	return name
}

// at gives the texts at a path: a number or a truth value as JSON writes it, a list one by one.
func at(v any, dotted string) []string {
	if dotted == "" {
		return nil
	}
	var out []string
	for _, found := range below(v, dotted) {
		out = append(out, flat(found)...)
	}
	return out
}

// truths gives the texts at a path, and the names of the members that are true of what is an object there.
func truths(v any, dotted string) []string {
	out := at(v, dotted)
	for _, found := range below(v, dotted) {
		m, _ := found.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if m[name] == true {
				out = append(out, name)
			}
		}
	}
	return out
}

// below gives what stands at a path: one value, or where the path goes through a list, that of each of its objects.
func below(v any, dotted string) []any {
	name, rest, more := strings.Cut(dotted, ".")
	var of []any
	switch v := v.(type) {
	case map[string]any:
		of = []any{v}
	case []any:
		of = v
	}
	var out []any
	for _, item := range of {
		m, _ := item.(map[string]any)
		next, there := m[name]
		switch {
		case !there:
		case more:
			out = append(out, below(next, rest)...)
		default:
			out = append(out, next)
		}
	}
	return out
}

func flat(v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case json.Number:
		return []string{v.String()}
	case bool:
		return []string{fmt.Sprint(v)}
	case []any:
		var out []string
		for _, item := range v {
			if _, list := item.([]any); !list { // one level
				out = append(out, flat(item)...)
			}
		}
		return out
	}
	return nil
}

// objects gives the objects of a file.
func (r *recipe) objects(ctx context.Context, in plugins.Tree, file string, use func(object) error) error {
	f, err := inflate.Open(in, file, maxBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.parse(ctx, f, use); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f) // to the end, where a tree has checked the digest
	return err
}

func (r *recipe) parse(ctx context.Context, f io.Reader, use func(object) error) error {
	text := bufio.NewReader(f)
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" { // an error comes again
		_, _ = text.Discard(3)
	}
	d := json.NewDecoder(text)
	d.UseNumber()
	each := func(name string, n int) error {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		o := object{name: name}
		if err := d.Decode(&o.value); err != nil {
			return fmt.Errorf("object %s: %w", name, whole(err))
		}
		return use(o)
	}
	if r.Form == Lines {
		for n := 0; ; n++ {
			switch err := each(fmt.Sprintf("%07d", n+1), n); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
		}
	}
	if err := descend(d, r.Objects); err != nil {
		return err
	}
	return elements(d, each)
}

// whole says that a file ends too early, but for the end after the last line.
func whole(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file is cut off")
	}
	return err
}

// descend goes to the value at a path, past all that stands before.
func descend(d *json.Decoder, dotted string) error {
	if dotted == "" {
		return nil
	}
	for name := range strings.SplitSeq(dotted, ".") {
		t, err := d.Token()
		if err != nil || t != json.Delim('{') {
			return errors.Join(fmt.Errorf("objects: what should have %q is no object", name), err)
		}
		for {
			t, err := d.Token()
			if err != nil || t == json.Delim('}') {
				return errors.Join(fmt.Errorf("objects: there is no %q", name), err)
			}
			if t == name {
				break
			}
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return whole(err)
			}
		}
	}
	return nil
}

// elements gives the elements of a list, numbered from 1, or the members of an object by their names.
func elements(d *json.Decoder, use func(name string, n int) error) error {
	t, err := d.Token()
	if err != nil || t != json.Delim('{') && t != json.Delim('[') {
		return errors.Join(errors.New("want a list or an object of objects"), err)
	}
	for n := 0; d.More(); n++ {
		name := fmt.Sprintf("%07d", n+1)
		if t == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return whole(err)
			}
			name = fmt.Sprint(key)
		}
		if err := use(name, n); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.Join(errors.New("the file is cut off"), err)
	}
	return nil
}

// readSides reads the files that name the ids of the publisher's sides. An id on two sides is on none.
func (r *recipe) readSides(in plugins.Tree) (sidesOf, error) {
	out := sidesOf{of: map[string]string{}}
	for _, side := range document.Splits() {
		file := r.Sides[side]
		if file == "" {
			if out.others == "" {
				out.others = side
			}
			continue
		}
		found, err := named(in, file)
		if err != nil {
			return out, err
		}
		f, err := inflate.Open(in, found, maxBytes)
		if err != nil {
			return out, err
		}
		ids, err := idsOf(f)
		if err == nil {
			_, err = io.Copy(io.Discard, f)
		}
		f.Close()
		if err != nil {
			return out, fmt.Errorf("%s: %w", found, err)
		}
		for _, id := range ids {
			if was := out.of[id]; was != "" && was != side {
				return out, fmt.Errorf("%s: id %.60q is named for %s, too", found, id, was)
			}
			out.of[id] = side
		}
	}
	return out, nil
}

// named finds the one file whose path ends so.
func named(in plugins.Tree, name string) (string, error) {
	var found []string
	for _, f := range in.Files() {
		if strings.HasSuffix("/"+f.Path, "/"+name) {
			found = append(found, f.Path)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("sides: want one file %s, have %q", name, found)
	}
	return found[0], nil
}

// idsOf reads a list of ids: the names of a JSON object's members, a JSON list, or lines.
func idsOf(f io.Reader) ([]string, error) {
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) == nil {
		var out []string
		for id := range members {
			out = append(out, id)
		}
		return out, nil
	}
	var list []any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if d.Decode(&list) == nil {
		return flat(list), nil
	}
	return strings.Fields(string(b)), nil
}
