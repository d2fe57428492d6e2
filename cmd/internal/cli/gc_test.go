package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/verify"
)

// TestGC: what an older result alone needed goes, and the newer is whole.
func TestGC(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("gc"), "removed 0 blobs")
	m.write("benchmark.yaml", strings.Replace(small, "epochs: 2", "epochs: 3", 1))
	m.want(0, words("run benchmark.yaml"))
	dry := object[gcDocument](m, 0, "gc", "--dry-run")
	goes := map[string]bool{}
	for _, i := range dry.Items {
		goes[i.Kind+" "+i.Name] = true
	}
	if dry.Schema != "cairn/gc/v1" || !dry.DryRun || !goes["model small/pretrain/single"] || goes["dataset small/curate/heart"] {
		t.Errorf("would remove %+v", dry)
	}
	m.want(0, words("gc --dry-run"), "would remove", "model", "pretrain/single", "kept for lock "+m.path("benchmark.lock"))
	done := object[gcDocument](m, 0, "gc")
	if done.Blobs != dry.Blobs || done.Bytes != dry.Bytes || done.Blobs == 0 {
		t.Errorf("removed %d blobs, %d bytes, announced %d, %d", done.Blobs, done.Bytes, dry.Blobs, dry.Bytes)
	}
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.write("benchmark.yaml", small)
	m.want(0, words("run benchmark.yaml"), "2 steps done, 2 found in the cache")
	m.want(2, words("gc extra"), "usage")
	m.want(2, words("gc --force"), "--forget")
}

// TestGCKeepsFailedRuns: what a run has done that failed is there for the next try, and goes when it is given up.
func TestGCKeepsFailedRuns(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	m.killedAt("→   pretrain/single", words("run benchmark.yaml --progress plain")...)
	run := runOf(m)
	m.want(0, words("gc"), "removed 0 blobs", "kept for run "+run)
	m.want(0, []string{"cancel", run})
	m.want(0, words("gc"), "0 blobs stay")
	m.want(1, []string{"cancel", run}, "has ended")
}

// TestForgetDataset is the way of a data officer.
func TestForgetDataset(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(2, words("gc --forget small/fetch/heart"), "--reason")
	args := []string{"gc", "--forget", "small/fetch/heart", "--reason", "consent was withdrawn", "--by", "data office"}
	m.want(0, append(slices.Clone(args), "--dry-run"), "would remove 2 blobs")
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	out := m.want(0, args, "removed 2 blobs", "tombstone sha256:", "made of it and still there  small/curate/heart")
	if strings.Contains(out.stdout, "STILL THERE") {
		t.Errorf("something stays:\n%s", out.stdout)
	}
	m.want(0, words("verify benchmark.lock"), "verified, level records")
	v := object[verify.Verdict](m, 4, "verify", "benchmark.lock", "--level", "bytes")
	if v.Level != verify.Records || len(v.Problems) != 2 || v.Problems[0].Code != verify.BlobDeleted || !strings.Contains(v.Problems[0].Got, "data office: consent was withdrawn") {
		t.Errorf("verdict %+v", v)
	}
	m.want(5, words("run benchmark.yaml"), "fetch/heart", "consent was withdrawn", "--restore")
	plan := object[planDocument](m, 0, "plan", "benchmark.yaml")
	if i := slices.IndexFunc(plan.Steps, func(s planStep) bool { return s.Name == "fetch/heart" }); plan.Steps[i].State != planBlocked {
		t.Errorf("plan has %+v", plan.Steps[i])
	}
	m.want(0, words("gc"))
	m.want(4, words("verify benchmark.lock --level bytes"), verify.BlobDeleted)
	m.want(2, words("gc --restore small/curate/heart"), "not forgotten")
	m.want(0, words("gc --restore small/fetch/heart"), "may be taken in again")
	m.want(0, words("run benchmark.yaml"), "ok  fetch/heart", "curate/heart                      done by another run")
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
}

// TestGCBesideRuns collects again and again while runs change what they make, each ending with a result that
// verifies to the last byte.
func TestGCBesideRuns(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		removed := 0
		for {
			select {
			case <-stop:
				stopped <- removed
				return
			default:
				removed += object[gcDocument](m, 0, "gc").Blobs
			}
		}
	}()
	for _, epochs := range []string{"2", "3", "4", "2"} {
		m.write("benchmark.yaml", strings.Replace(small, "epochs: 2", "epochs: "+epochs, 1))
		m.want(0, words("run benchmark.yaml"), "95 % bootstrap intervals")
		m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	}
	close(stop)
	if removed := <-stopped; removed == 0 {
		t.Error("nothing was ever removed")
	}
	if left, err := os.ReadDir(filepath.Join(m.home, "cairn", "uses")); err != nil || len(left) > 1 {
		t.Errorf("uses of ended runs are left: %v, %v", left, err)
	}
}
