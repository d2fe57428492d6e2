package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxText bounds a manifest; the largest benchmark we know has 45 datasets and a few thousand lines.
const maxText = 16 << 20

// parser collects what is wrong in one file.
type parser struct {
	file string
	noun string // what a key that a schema knows is called; "" is a key
	errs Errors
}

func (p *parser) fail(n *yaml.Node, path, format string, args ...any) {
	switch {
	case len(p.errs) > maxErrors:
		return
	case len(p.errs) == maxErrors:
		format, args = "too many errors; the rest is not shown", nil
	}
	p.errs = append(p.errs, Error{File: p.file, Line: max(1, n.Line), Column: max(1, n.Column), Path: path, Message: fmt.Sprintf(format, args...)})
}

// failed returns the errors in the order of the file.
func (p *parser) failed() error {
	p.errs.sort()
	return p.errs
}

// document returns the one document of a file, whose root is a mapping with no alias below it, or nil after
// an error.
func (p *parser) document(text []byte) *yaml.Node {
	if !p.isText(text) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		p.fail(&doc, "", "the file is empty; want a mapping that starts with apiVersion: %s", APIVersion)
		return nil
	} else if err != nil {
		p.notYAML(err)
		return nil
	}
	if err := dec.Decode(&more); err == nil {
		p.fail(&more, "", "a second document starts here; a manifest is one document")
		return nil
	} else if !errors.Is(err, io.EOF) {
		p.notYAML(err)
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		p.fail(root, "", "want a mapping that starts with apiVersion: %s, have %s", APIVersion, describe(root))
		return nil
	}
	if p.refuseHidden(root); len(p.errs) > 0 {
		return nil
	}
	return &doc
}

// isText refuses what the YAML reader should not even see.
func (p *parser) isText(text []byte) bool {
	if len(text) > maxText {
		p.fail(&yaml.Node{}, "", "the file has %d bytes; at most %d are read", len(text), maxText)
		return false
	}
	if !utf8.Valid(text) {
		p.fail(position(text, firstInvalid(text)), "", "the file is not UTF-8")
		return false
	}
	return true
}

// firstInvalid returns the offset of the first byte that is not UTF-8.
func firstInvalid(text []byte) int {
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

// position turns an offset into a line and a column.
func position(text []byte, at int) *yaml.Node {
	before := text[:at]
	start := bytes.LastIndexByte(before, '\n') + 1
	return &yaml.Node{Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[start:])}
}

// notYAML reports what the YAML reader could not read.
func (p *parser) notYAML(err error) {
	n, message := &yaml.Node{}, err.Error()
	var load *yaml.LoadError
	if errors.As(err, &load) {
		n.Line, n.Column, message = load.Mark.Line, load.Mark.Column, load.Message
		if load.ContextMsg != "" {
			message = load.ContextMsg + ": " + message
		}
	}
	p.fail(n, "", "not YAML: %s", shorten(message))
}

// refuseHidden reports every alias and every tag. Aliases can make a small file mean a huge one, or one without
// end; tags make a value mean what it does not look like.
func (p *parser) refuseHidden(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		p.fail(n, "", "the alias *%s is not read in a manifest; write the value out", shorten(n.Value))
	case n.Style&yaml.TaggedStyle != 0:
		p.fail(n, "", "the tag %s is not read in a manifest; write the value without it", shorten(n.Tag))
	}
	for _, c := range n.Content {
		p.refuseHidden(c)
	}
}

// describe names what a node is, for "want ..., have ...".
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!str", "!!timestamp":
		return fmt.Sprintf("the text %q", shorten(n.Value))
	case "!!int", "!!float":
		return "the number " + shorten(n.Value)
	case "!!bool":
		return n.Value
	}
	return "a value with the tag " + shorten(n.Tag)
}

// shorten keeps a message readable whatever a file holds.
func shorten(s string) string {
	if len(s) <= maxWord {
		return s
	}
	return fmt.Sprintf("%.60s... (%d bytes)", s, len(s))
}
