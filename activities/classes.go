package activities

import (
	"slices"
	"time"
)

// The types of errors. They stand in histories and in what `cairn run --json` says, so they keep their names.
const (
	Invalid     = "Invalid"
	Failed      = "Failed"
	Crashed     = "Crashed"
	OutOfMemory = "OutOfMemory"
	Differs     = "Differs"
	TooLarge    = "TooLarge"
	Refused     = "Refused"
	Blocked     = "Blocked"
	Network     = "Network"
	Disk        = "Disk"
	Passing     = "Passing"
	Interrupted = "Interrupted"
	Lost        = "Lost"
	Overdue     = "Overdue"
)

// Again says whether an activity is tried again after an error.
type Again int

// The ways of trying again.
const (
	Never  Again = iota // it would go wrong in the same way
	Paused              // after a pause that grows, until MaxFaults tries have gone wrong
	AtOnce              // it was not at fault, and the try does not count
)

// Class is what becomes of an error of one type.
type Class struct {
	Type  string
	Again Again
	Is    string // what has happened
	Do    string // what a person does about it
}

// Classes is the one list of what is tried again and what is not. An error without a mark is of type Passing; a
// plugin's own error without a mark is of type Failed.
func Classes() []Class { return slices.Clone(classes) }

var classes = []Class{
	{Invalid, Never, "the manifest, or a parameter in it, is wrong", "correct the manifest"},
	{Failed, Never, "the plugin failed on what it was given, and would again", "correct its input or its parameters"},
	{Crashed, Never, "a bug: the code panicked, or its process ended without a result", "report it with the log to who wrote the plugin"},
	{OutOfMemory, Never, "it was killed because there was no memory left", "give it more memory, or run less beside it (-j 1)"},
	{Differs, Never, "the result is not the one that the lock has", "find out why; `--update DATASET` accepts it"},
	{TooLarge, Never, "the plugin gave more than can be kept", "make it give less; what is large belongs into files of the output"},
	{Refused, Never, "it is not allowed", "read who forbade it and why"},
	{Blocked, Never, "access to the data has not been given", "do what it says; the run goes on by itself if it is still there, or run again"},
	{Network, Paused, "a publisher or the network did not do its part", "try again when it does"},
	{Disk, Paused, "the disk failed or is full", "make room, or mend it"},
	{Passing, Paused, "a fault that was taken for one that passes", "try again"},
	{Interrupted, AtOnce, "its worker was stopped, or its process was killed", "nothing; it goes on by itself"},
	{Lost, Never, "its worker or its process ended each time, without a word", "look for what ends it: no memory left, a crash, a kill"},
	{Overdue, Never, "it took longer than a step may", "divide it into smaller steps"},
}

// ClassOf is the class of an error type. One that nobody knows, such as a later version's, is taken for Passing.
func ClassOf(kind string) Class {
	i := slices.IndexFunc(classes, func(c Class) bool { return c.Type == kind })
	if i < 0 {
		return ClassOf(Passing)
	}
	return classes[i]
}

// Bounds of trying again.
const (
	MaxFaults = 20 // tries that may go wrong in passing: for about an hour
	MaxLost   = 20 // tries in a row whose worker may end without a word and without a checkpoint
)

// FirstPause and LongestPause bound the pauses between tries. Each is twice the one before.
const (
	FirstPause   = time.Second
	LongestPause = 5 * time.Minute
)

// Pause is how long to wait after so many tries that went wrong in passing.
func Pause(faults int) time.Duration {
	return min(FirstPause<<min(max(faults-1, 0), 20), LongestPause)
}
