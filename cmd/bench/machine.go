package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// here describes this machine, whose disk is that of dir.
func here(dir string) string {
	disk := said("findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", dir)
	return fmt.Sprintf("%s, %d cores, %s of memory, %s, %s %s, %s", fact("/proc/cpuinfo", "model name"), runtime.NumCPU(),
		memory(fact("/proc/meminfo", "MemTotal")), strings.Join(strings.Fields(disk), " on "), said("uname", "-s"), said("uname", "-r"), runtime.Version())
}

// commit is what was measured, with a mark if the folder differs from it.
func commit() string { return said("git", "describe", "--always", "--dirty") }

func said(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// fact reads a line "key : value" of a file under /proc.
func fact(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func memory(total string) string {
	kib, err := strconv.Atoi(strings.TrimSuffix(total, " kB"))
	if err != nil {
		return total
	}
	return fmt.Sprintf("%d GiB", kib>>20)
}

// load1 is the load average of the last minute, which says how far the machine was ours alone.
func load1() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	v, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return v
}
