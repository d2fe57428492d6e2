package sourcetest

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// drifts are what a publisher does between two fetches. Each has to be seen: in what is fetched, which is then held
// against the lock, or by an error that names who disagrees.
var drifts = map[string]func(*visit){
	"bytes changed": func(v *visit) {
		files, err := v.after(v.Touch)
		if v.Sums {
			v.differs(err)
		} else {
			v.changed(files, err, "changed")
		}
	},
	"list changed": func(v *visit) {
		_, err := v.after(v.Relist)
		v.differs(err)
	},
	"file replaced": func(v *visit) {
		files, err := v.after(v.Replace)
		v.changed(files, err, "changed")
	},
	"file added": func(v *visit) {
		files, err := v.after(v.Add)
		v.changed(files, err, "added")
	},
	"file removed": func(v *visit) {
		files, err := v.after(v.Remove)
		if err != nil { // the params name it
			v.absent(err)
			return
		}
		v.changed(files, err, "removed")
	},
}

// after fetches, lets the publisher do something, and fetches from nothing.
func (v *visit) after(change func()) (plugintest.Files, error) {
	v.Helper()
	if change == nil {
		v.Skip("this publisher cannot")
	}
	v.right()
	v.partial = v.TempDir()
	change()
	return v.fetch(v.Context())
}

// differs wants an error that says that publisher's list and bytes contradict each other.
func (v *visit) differs(err error) {
	v.Helper()
	if plugins.FaultCode(err) != plugins.FaultDiffers {
		v.Fatalf("ended with %v, want code %q", err, plugins.FaultDiffers)
	}
	v.disputed(err)
}

func (v *visit) absent(err error) {
	v.Helper()
	if plugins.FaultCode(err) != plugins.FaultAbsent {
		v.Errorf("ended with %v, want code %q", err, plugins.FaultAbsent)
	}
}

// changed wants one file of what is fetched to differ in that way from what it was, and in no other.
func (v *visit) changed(files plugintest.Files, err error, how string) {
	v.Helper()
	if err != nil {
		v.Fatalf("ended with %v", errors.Unwrap(err))
	}
	got := map[string]int{}
	for p, text := range files {
		if was, ok := v.Files[p]; !ok {
			got["added"]++
		} else if !bytes.Equal(was, text) {
			got["changed"]++
		}
	}
	for p := range v.Files {
		if _, ok := files[p]; !ok {
			got["removed"]++
		}
	}
	if diff := cmp.Diff(map[string]int{how: 1}, got); diff != "" {
		v.Errorf("%s\nof %q", diff, slices.Sorted(maps.Keys(files)))
	}
}
