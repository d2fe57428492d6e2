package gopretrain

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// buildARM64 cross-builds this package's tests.
func buildARM64(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("cross-building takes seconds")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not installed")
	}
	binary := filepath.Join(t.TempDir(), "arm64.test")
	cmd := exec.Command("go", "test", "-c", "-o", binary, ".")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// TestNoFusedInstructions looks at the machine code for arm64, where the compiler fuses a product into a
// sum unless the source says otherwise.
func TestNoFusedInstructions(t *testing.T) {
	binary := buildARM64(t)
	out, err := exec.Command("go", "tool", "objdump", "-s", `cairn/plugins/(nn|pretrain/go)[./]`, binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	code := string(out)
	for _, must := range []string{"nn.mulTransposed", "nn.addMul", "detmath.Exp"} {
		if !strings.Contains(code, must) {
			t.Fatalf("the machine code of %s was not found", must)
		}
	}
	if !strings.Contains(code, "FMULS") {
		t.Fatal("no product was found: the disassembler writes something else")
	}
	fused := regexp.MustCompile(`FN?M(ADD|SUB)[SD]`)
	for line := range strings.Lines(code) {
		if fused.MatchString(line) && !strings.Contains(line, "_test.go") {
			t.Errorf("fused: %s", strings.TrimSpace(line))
		}
	}
}

// TestGoldenOnARM64 runs the golden test under emulation: the same bytes as here.
func TestGoldenOnARM64(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		t.Skip("qemu-aarch64 is not installed")
	}
	out, err := exec.Command(qemu, buildARM64(t), "-test.run", "^TestGoldenAndDeterministic$", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestGoldenAndDeterministic") {
		t.Errorf("%v\n%s", err, out)
	}
}
