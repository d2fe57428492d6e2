// Command cairn rebuilds a benchmark from its manifest and leaves a lock that anyone can verify.
package main

import (
	"os"

	"github.com/cairn-bench/cairn/cmd/internal/cli"
)

func main() {
	boundHeap()
	os.Exit(cli.Main(cli.Interruptible(), cli.World{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Lookup: os.LookupEnv, Name: os.Args[0], Exits: true}))
}
