package workflows

// set notes what becomes of a step, for those who ask what has changed.
func (r *rebuild) set(i int, state string) {
	r.outcomes[i].State = state
	r.changed = append(r.changed, i)
	switch state {
	case Running, Skipped:
		r.left--
	case Waiting:
		r.left++
	}
}

// progress answers ProgressQuery: with all steps, or those that have changed since an answer of this execution.
func (r *rebuild) progress(since int) (Progress, error) {
	p := Progress{Cached: r.earlier.Cached, Later: r.later, Until: r.until()}
	if first := r.first(); since >= first && since <= p.Until {
		for _, i := range r.changed[since-first:] {
			p.Steps = append(p.Steps, r.outcomes[i])
		}
		return p, nil
	}
	p.Steps = r.steps()
	return p, nil
}

// first is the answer's Until before anything has changed. None is 0, with which nobody has asked before.
func (r *rebuild) first() int { return max(1, r.earlier.Until) }

func (r *rebuild) until() int { return r.first() + len(r.changed) }
