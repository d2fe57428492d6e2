package publish

import (
	"fmt"
	"strings"

	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// unnamed says of which datasets a report must not name samples, and why. The report is a document that may always travel, and the
// same wherever it is made: so the policy that comes with Cairn decides, and not that of a home.
func unnamed(p *terms.Policy, b *manifests.Benchmark, states []resolve.State) map[string]string {
	var known terms.Origins
	for _, st := range states {
		known.Made(st.Entry.Artifact, st.Action)
		id, fetched := strings.CutPrefix(st.Step.Name, plan.FetchStep(""))
		if d, ok := b.Datasets[id]; ok && fetched {
			known.Says(st.Entry.Artifact, terms.Raw, terms.Term{Dataset: id, Licence: d.Licence, Access: d.Access})
		}
	}
	why := map[string]string{}
	for _, st := range states {
		if st.Step.Dataset == nil {
			continue
		}
		if refused := p.Refusals(terms.List, terms.Report, known.Of(st.Entry.Artifact)); len(refused) > 0 {
			why[st.Step.Dataset.ID] = fmt.Sprintf("%s (dataset %s, %s)", refused[0].Reason, refused[0].Dataset, refused[0].Term)
		}
	}
	return why
}
