package plugintest_test

import (
	"testing"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var kept []byte

func TestAllocated(t *testing.T) {
	if n := plugintest.Allocated(func() { kept = make([]byte, 1<<24) }); n < 1<<24 || n > 1<<25 {
		t.Errorf("%d bytes, want 16 MiB and little else", n)
	}
}
