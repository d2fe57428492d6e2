package croissant

import (
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

func recordSets(d Dataset) []node {
	out := []node{splits(), classes(d.Info.Task.Classes), counts(d.Info)}
	if d.Restricted != "" {
		return out
	}
	if d.has(func(f File) bool { return f.Name == SamplesFile }) {
		out = append(out, samples(d.Info.Task.Type))
	}
	if d.has(func(f File) bool { return strings.HasSuffix(f.Name, ".tar") }) {
		out = append(out, media())
	}
	return out
}

// set is a record set. Names of its fields are within it.
func set(id, description string, fields []node, more node) node {
	out := node{"@type": "cr:RecordSet", "@id": id, "name": id, "description": description, "field": fields}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func field(id, kind, description string, more node) node {
	out := node{"@type": "cr:Field", "@id": id, "name": id[strings.LastIndexByte(id, '/')+1:], "description": description}
	if kind != "" {
		out["dataType"] = kind
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// sides are the terms of Croissant for the sides of a dataset.
var sides = map[string]string{"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}

func splits() node {
	var data []node
	for _, s := range document.Splits() {
		data = append(data, node{"splits/name": s, "splits/url": sides[s]})
	}
	return set("splits", "The sides of the dataset.", []node{
		field("splits/name", "sc:Text", "Its name.", nil), field("splits/url", "sc:URL", "What it is for.", nil),
	}, node{"dataType": "cr:Split", "key": ref("splits/name"), "data": data})
}

func classes(names []string) node {
	data := []node{}
	for _, c := range names {
		data = append(data, node{"classes/name": c})
	}
	return set("classes", "The classes of the task.", []node{field("classes/name", "sc:Text", "Its name.", nil)},
		node{"dataType": "sc:Enumeration", "key": ref("classes/name"), "data": data})
}

// counts needs no file, so that it is there for data that may not be passed on.
func counts(d document.Dataset) node {
	data := []node{}
	for _, s := range document.Splits() {
		for _, c := range d.Task.Classes {
			if n, ok := d.Counts[s][c]; ok {
				data = append(data, node{"counts/split": s, "counts/class": c, "counts/samples": n})
			}
		}
	}
	return set("counts", "How many samples have a class, by side.", []node{
		field("counts/split", "sc:Text", "The side.", node{"references": node{"field": ref("splits/name")}}),
		field("counts/class", "sc:Text", "The class.", node{"references": node{"field": ref("classes/name")}}),
		field("counts/samples", "sc:Integer", "How many samples of that side have it.", nil),
	}, node{"key": []node{ref("counts/split"), ref("counts/class")}, "data": data})
}

// column reads a field from the table.
func column(name string, more node) node {
	source := node{"fileObject": ref(SamplesFile), "extract": node{"column": name}}
	for k, v := range more {
		source[k] = v
	}
	return node{"source": source}
}

func with(n node, key string, value any) node {
	n[key] = value
	return n
}

func samples(task string) node {
	labels := "The classes that it has."
	if task == document.Multiclass {
		labels = "The class that it has; there is exactly one."
	}
	part := func(name, kind, description string) node {
		return field("samples/media/"+name, kind, description, column("media", node{"transform": node{"jsonPath": name}}))
	}
	return set("samples", "The samples, sorted by id.", []node{
		field("samples/id", "sc:Text", "Names the sample within the dataset.", column("id", nil)),
		field("samples/split", "sc:Text", "The side that it is on.", with(column("split", nil), "references", node{"field": ref("splits/name")})),
		field("samples/subject", "sc:Text", "Whom or what it is of; all samples of one subject are on one side unless the recipe says otherwise.", column("subject", nil)),
		with(field("samples/labels", "", labels, with(column("labels", nil), "repeated", true)), "dataType", []string{"sc:Text", "cr:Label"}),
		field("samples/media", "", "Its arrays.", node{"repeated": true, "subField": []node{
			part("path", "sc:Text", "Where the array lies in the shards, and the key of the record set media."),
			part("type", "sc:Text", "What it is: signal, image, nodes, edges, table, text."),
			part("dtype", "sc:Text", "What its elements are."),
			part("sampling_rate", "sc:Float", "Hz; 0 where there is none."),
		}}),
		field("samples/text", "sc:Text", "Its text; empty where there is none.", column("text", nil)),
	}, node{"key": ref("samples/id")})
}

// media lists the arrays in the shards.
func media() node {
	return set("media", "The arrays in the shards.", []node{
		field("media/path", "sc:Text", "Where it lies in its shard.", node{"source": node{"fileSet": ref(arrays), "extract": node{"fileProperty": "fullpath"}}}),
	}, nil)
}
