package plugins

import (
	"context"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Placeholders until their owners replace them: delete each with its real implementation.
func runFetch(ctx context.Context, c Call, spec catalog.Spec, src Source) error { panic("runFetch") }
func runEvaluate(ctx context.Context, c Call, e Evaluator) error                { panic("runEvaluate") }
