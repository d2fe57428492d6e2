package all_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fused = regexp.MustCompile(`\bFN?M(ADD|SUB)[SD]\b`)

// TestNoFusedInstructions looks at the machine code of every plugin and of fingerprints for arm64, where the compiler fuses a
// product into a sum unless the source rounds it first. A fused result differs in its last bit from amd64's,
// so one such instruction breaks the promise of class exact. `make arm64` runs the golden tests there.
func TestNoFusedInstructions(t *testing.T) {
	if testing.Short() {
		t.Skip("cross-building takes seconds")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not installed")
	}
	binary := filepath.Join(t.TempDir(), "arm64.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, ".")
	build.Env = append(build.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "objdump", "-s", `cairn/(plugins/|manifests/fingerprint\.)`, binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	code := string(out)
	for _, must := range []string{"nn.mulTransposed", "detmath.Exp", "evaluate/metrics.", "curate/signal.", "curate/ecg.", "curate/eeg.", "curate/edf.",
		"curate/image.", "curate/raster.", "curate/volume.", "curate/nifti.", "curate/dicom.", "curate/lossless.", "curate/jpeg2000.", "curate/avi.", "curate/video.", "curate/anatomy.", "manifests/fingerprint.", "FMULS", "FMULD"} {
		if !strings.Contains(code, must) {
			t.Errorf("%s was not found in the machine code: is the test blind?", must)
		}
	}
	for line := range strings.Lines(code) {
		if fused.MatchString(line) {
			t.Errorf("fused: %s; round the product: float32(a*b) + c", strings.Join(strings.Fields(line), " "))
		}
	}
}
