package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// lineWidth is where folded texts are broken; nothing else is.
const lineWidth = 100

// errUnstable says that the YAML reader or writer would lose a note or change what the file says.
var errUnstable = errors.New("a comment would be lost, so nothing is changed; move comments at brackets, in the middle of texts and before \"...\" to lines above a key")

// Format returns a manifest in the one form: keys in canonical order, two blanks of indentation, a blank line
// before each section and each entry of several lines. Comments stay with what they stand at, names and
// parameters in the author's order, and the meaning is the same. A file with a comment at a place that cannot be
// kept is refused, never silently shortened. The error of a file that is not YAML is an Errors; a file that is YAML is formatted whether it is right or not.
func Format(file string, text []byte) ([]byte, error) {
	p := &parser{file: file}
	doc := p.document(text)
	if doc == nil {
		return nil, p.failed()
	}
	want := summarise(doc)
	out, err := settle(doc)
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", file, err)
	}
	got := (&parser{file: file}).document(out)
	lost := bytes.Count(out, []byte("#")) < bytes.Count(text, []byte("#")) // a comment the YAML reader has no place for
	if got == nil || lost || !slices.Equal(summarise(got), want) {
		return nil, fmt.Errorf("format %s: %w", file, errUnstable)
	}
	return out, nil
}

// settle writes a document until writing it again changes nothing: the first time, the YAML writer may still
// move a comment from the end of one entry to the head of the next.
func settle(doc *yaml.Node) ([]byte, error) {
	var last []byte
	for range 5 {
		out, err := write(doc)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(out, last) {
			return out, nil
		}
		last, doc = out, new(yaml.Node)
		if err := yaml.Unmarshal(out, doc); err != nil {
			return nil, err
		}
	}
	return nil, errUnstable
}

func write(doc *yaml.Node) ([]byte, error) {
	arrange(doc.Content[0])
	var out bytes.Buffer
	d, err := yaml.NewDumper(&out, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1), yaml.WithUnicode(true))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.Dump(doc), d.Close()); err != nil {
		return nil, err
	}
	return layOut(out.Bytes())
}

// arrange puts keys into canonical order.
func arrange(root *yaml.Node) {
	order(root, benchmarkKeys)
	each(root, func(section, n *yaml.Node) {
		switch section.Value {
		case "datasets":
			each(n, func(_, dataset *yaml.Node) {
				order(dataset, datasetKeys)
				each(dataset, func(key, step *yaml.Node) {
					switch key.Value {
					case "fetch":
						order(step, stepKeys)
					case "curate":
						order(step, curateKeys)
					case "terms":
						for _, term := range step.Content {
							order(term, termKeys)
						}
					}
				})
			})
		case "overlap":
			order(n, overlapKeys)
		case "models":
			each(n, func(_, model *yaml.Node) { arrangeStep(model, modelKeys) })
		case "evaluations":
			each(n, func(_, evaluation *yaml.Node) { arrangeStep(evaluation, evaluationKeys) })
		case "claims":
			for _, claim := range n.Content {
				order(claim, claimKeys)
			}
		}
	})
}

// arrangeStep orders a model or an evaluation, and its bounds.
func arrangeStep(n *yaml.Node, keys []string) {
	order(n, keys)
	each(n, func(key, value *yaml.Node) {
		if key.Value == "rerun" {
			order(value, rerunKeys)
		}
	})
}

// each calls f for the entries of a mapping.
func each(n *yaml.Node, f func(key, value *yaml.Node)) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		f(n.Content[i], n.Content[i+1])
	}
}

// order sorts the entries of a mapping as keys are, unknown ones last.
func order(n *yaml.Node, keys []string) {
	type pair struct {
		rank       int
		key, value *yaml.Node
	}
	var pairs []pair
	each(n, func(k, v *yaml.Node) {
		rank := slices.Index(keys, k.Value)
		if rank < 0 {
			rank = len(keys)
		}
		pairs = append(pairs, pair{rank, k, v})
	})
	slices.SortStableFunc(pairs, func(x, y pair) int { return x.rank - y.rank })
	for i, p := range pairs {
		n.Content[2*i], n.Content[2*i+1] = p.key, p.value
	}
}

// layOut puts blank lines before sections and before entries that take several lines, and breaks the lines of
// folded texts, which the YAML writer leaves long.
func layOut(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	blank, folded := blankLines(doc.Content[0]), map[int]bool{}
	foldedLines(&doc, folded)
	var out []string
	indent := -1 // of the folded text that a line belongs to
	for i, line := range strings.Split(string(text), "\n") {
		if blank[i+1] && i > 0 && strings.TrimSpace(out[len(out)-1]) != "" {
			out = append(out, "")
		}
		if folded[i] {
			indent = indentation(line)
		} else if indent >= 0 && line != "" && indentation(line) < indent {
			indent = -1
		}
		if indent > 0 && indentation(line) == indent {
			out = append(out, wrap(line, indent)...)
		} else {
			out = append(out, line)
		}
	}
	return []byte(strings.Join(out, "\n")), nil
}

// blankLines returns the lines before which a blank one belongs.
func blankLines(root *yaml.Node) map[int]bool {
	before := map[int]bool{}
	each(root, func(section, n *yaml.Node) {
		if !isBlock(n) {
			return
		}
		before[head(section)] = true
		first := true
		each(n, func(key, v *yaml.Node) {
			if isBlock(v) && !first {
				before[head(key)] = true
			}
			first = false
		})
	})
	return before
}

// foldedLines collects the lines at which folded texts start.
func foldedLines(n *yaml.Node, lines map[int]bool) {
	if n.Kind == yaml.ScalarNode && n.Style&yaml.FoldedStyle != 0 {
		lines[n.Line] = true
	}
	for _, c := range n.Content {
		foldedLines(c, lines)
	}
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// wrap breaks a line at single blanks, which reading a folded text turns back into blanks.
func wrap(line string, indent int) []string {
	margin := strings.Repeat(" ", indent)
	var out []string
	for len(line) > lineWidth {
		at := breakAt(line, indent)
		if at < 0 {
			break
		}
		out = append(out, line[:at])
		line = margin + line[at+1:]
	}
	return append(out, line)
}

// breakAt returns the last place before the width, or else the first after it, where a line may be broken.
func breakAt(line string, indent int) int {
	last := -1
	for i := indent + 1; i+1 < len(line); i++ {
		if line[i] == ' ' && !isBlank(line[i-1]) && !isBlank(line[i+1]) {
			if i > lineWidth && last >= 0 {
				break
			}
			last = i
			if i > lineWidth {
				break
			}
		}
	}
	return last
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isBlock says whether a node is a mapping or list that is written over several lines.
func isBlock(n *yaml.Node) bool {
	return n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
}

// head is the line at which a key starts, with the comment above it.
func head(key *yaml.Node) int {
	if key.HeadComment == "" {
		return key.Line
	}
	return key.Line - 1 - strings.Count(key.HeadComment, "\n")
}

// summarise lists all values with their paths, and all comments, without the order of keys and the places of
// comments. Two texts with the same summary mean the same to a machine and hold the same notes to a person.
func summarise(doc *yaml.Node) []string {
	var out []string
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		for _, comment := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for line := range strings.Lines(comment) {
				if line = strings.TrimSpace(line); line != "" {
					out = append(out, line)
				}
			}
		}
		if n.Kind == yaml.ScalarNode {
			out = append(out, path+" "+n.Tag+" "+n.Value)
		}
		for i, c := range n.Content {
			at := fmt.Sprintf("%s/%d", path, i)
			if n.Kind == yaml.MappingNode {
				at = path + "/" + n.Content[i-i%2].Value
			}
			walk(c, at)
		}
	}
	walk(doc, "")
	slices.Sort(out)
	return out
}
