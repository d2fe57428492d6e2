package canonical_test

import (
	"testing"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// BenchmarkMarshal encodes a document of the size of an action.
func BenchmarkMarshal(b *testing.B) {
	type input struct {
		Name   string `json:"name"`
		Digest string `json:"digest"`
	}
	v := map[string]any{
		"schema": "cairn/action/v1",
		"params": map[string]any{"rate": 100, "seconds": 10.5, "labels": map[string]string{"426783006": "sinus", "*": "other"}},
		"inputs": []input{{"raw", "sha256:53adf43cbcdd0f2e3e01f8ea15641bf7d42eda8e638938d74f304194c0af6488"}},
		"seed":   "18446744073709551615",
	}
	for b.Loop() {
		if _, err := canonical.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
