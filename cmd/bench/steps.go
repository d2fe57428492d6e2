package main

import (
	"fmt"
	"strings"
)

// The inputs of the workloads of many small steps: half make a file, half make another of it.

// manySteps is a manifest of n steps: half of them fetch a small table, half curate it.
func manySteps(n int) []byte {
	var m strings.Builder
	m.WriteString("apiVersion: cairn/v1\nkind: Benchmark\nname: many\ntitle: Many steps\ndatasets:\n")
	for i := range n / 2 {
		fmt.Fprintf(&m, "  d%d:\n    title: A table\n    modality: table\n    licence: CC0-1.0\n    access: open\n"+
			"    fetch: {plugin: synthetic, seed: %d, params: {dataset: table, samples: 24, quirks: false}}\n"+
			"    curate: {plugin: table, seed: 1, params: {drop: [id], label: {column: num}}}\n", i, i)
	}
	return []byte(m.String())
}

const snakefile = `N = range(%d)
rule all:
    input: expand("{i}.b", i=N)
rule a:
    output: "{i}.a"
    shell: "echo {wildcards.i} > {output}"
rule b:
    input: "{i}.a"
    output: "{i}.b"
    shell: "cp {input} {output}"
`

const makefile = `all: $(addsuffix .b,$(shell seq 1 %d))
.SECONDARY:
%%.a:
	@echo $* >$@
%%.b: %%.a
	@cp $< $@
`

// writeSteps writes the same graph for all of them.
func writeSteps(t *turn, n int) error {
	if err := t.write("benchmark.yaml", manySteps(n)); err != nil {
		return err
	}
	if err := t.write("Snakefile", fmt.Appendf(nil, snakefile, n/2)); err != nil {
		return err
	}
	return t.write("Makefile", fmt.Appendf(nil, makefile, n/2))
}

// What is typed.
const (
	runMany  = "cairn run --progress none benchmark.yaml"
	runSnake = `snakemake -q all -c "$(nproc)"`
	runMake  = `make -s -j "$(nproc)"`
)
