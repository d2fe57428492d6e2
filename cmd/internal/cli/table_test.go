package cli

import (
	"fmt"
	"strings"
)

// small is a benchmark of one table that is rebuilt in a second.
const small = `apiVersion: cairn/v1
kind: Benchmark
name: small
title: One table
datasets:
  heart:
    title: Heart disease table
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: dir, params: {path: data}}
    curate:
      plugin: table
      seed: 1
      params: {drop: [id], label: {column: num, classes: {"0": absent, "1": present}}}
models:
  single:
    plugin: go
    datasets: [heart]
    seed: 7
    params: {epochs: 2}
evaluations:
  test:
    models: [single]
    split: test
    metrics: [auroc, accuracy]
    seed: 3
`

// table is a CSV of people whose disease follows from two columns.
func table(rows int) string {
	var b strings.Builder
	b.WriteString("id,age,chol,num\n")
	for i := range rows {
		age, chol := 30+i*7%50, 150+i*13%100
		num := 0
		if age+chol/4 > 92 {
			num = 1
		}
		fmt.Fprintf(&b, "%d,%d,%d,%d\n", i, age, chol, num)
	}
	return b.String()
}

// smallMachine is one with the small benchmark and its data.
func smallMachine(m *machine) *machine {
	m.write("benchmark.yaml", small)
	m.write("data/heart.csv", table(60))
	return m
}
