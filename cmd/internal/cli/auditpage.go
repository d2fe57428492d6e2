package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// auditPage writes the page of a verification. A verdict that found something wrong has one, too.
func (w *workshop) auditPage(ctx context.Context, file string, s subject, v verify.Verdict) error {
	if v.Scope == verify.ArtifactScope {
		return &usageError{fmt.Errorf("--html: %s is one artifact; the page is of a lock or a benchmark", v.Subject)}
	}
	l, err := lock.Parse(v.Subject, s.lock)
	if err != nil && (l == nil || !errors.Is(err, lock.ErrTampered)) {
		return exit(exitUnknown, "--html: there is no lock that can be read, so there is no page: %v", err)
	}
	text, err := report.AuditHTML(report.Audit{Lock: l, Plan: w.planOf(ctx, l), Verdict: v})
	if err != nil {
		return err
	}
	return cas.ReplaceFile(filepath.Dir(file), file, text)
}

// planOf reads the plan that a lock names, nil where it is not here; the verdict says why.
func (w *workshop) planOf(ctx context.Context, l *lock.Lock) *plan.Plan {
	text, err := cas.ReadAll(ctx, w.store, l.Plan, maxShown)
	if err != nil {
		return nil
	}
	p, err := plan.Parse(text)
	if err != nil {
		return nil
	}
	return p
}
