// Command cairn rebuilds a benchmark from its manifest and leaves a lock that anyone can verify.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cairn-bench/cairn/cmd/internal/cli"
)

func main() {
	boundHeap()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process at once
	}()
	os.Exit(cli.Main(ctx, cli.World{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Lookup: os.LookupEnv, Name: os.Args[0], Exits: true}))
}
