// Package metrics computes the numbers of a benchmark from predictions.
//
// A metric of one class looks at that class against the rest. A metric of a task is the unweighted mean over
// the eligible classes (macro), those with both positive and negative samples; a two-class task has one
// number, that of its second class, the positive one. Accuracy counts samples whose predicted labels are
// exactly the true ones.
//
// What cannot be computed is undefined and says why; it is never 0 or 0.5. The definitions are
// scikit-learn's: roc_auc_score (ties by midrank), average_precision_score, recall_score, f1_score,
// accuracy_score, balanced_accuracy_score.
package metrics

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Names lists the metrics.
func Names() []string {
	return []string{"auroc", "auprc", "sensitivity", "specificity", "f1", "accuracy", "balanced_accuracy"}
}

// Value is a number, or why there is none.
type Value struct {
	Value     float64
	Undefined string
}

func undefined(format string, args ...any) Value {
	return Value{Undefined: fmt.Sprintf(format, args...)}
}

// Table is the predictions of one task, ready to be scored any number of times over any choice of rows.
type Table struct {
	task  document.Task
	truth [][]bool    // class, row
	guess [][]bool    // class, row
	score [][]float64 // class, row
	order [][]int     // class: rows by falling score
}

// NewTable prepares predictions. In a multi-label task a class is predicted from threshold on; in a
// multi-class task the predicted class is the one with the highest score, the first of equals.
func NewTable(task document.Task, predictions []document.Prediction, threshold float64) (*Table, error) {
	t := &Table{task: task}
	for c := range task.Classes {
		t.truth = append(t.truth, make([]bool, len(predictions)))
		t.guess = append(t.guess, make([]bool, len(predictions)))
		t.score = append(t.score, make([]float64, len(predictions)))
		for i, p := range predictions {
			if len(p.Scores) != len(task.Classes) {
				return nil, fmt.Errorf("sample %s has %d scores for %d classes", p.ID, len(p.Scores), len(task.Classes))
			}
			t.truth[c][i] = slices.Contains(p.Labels, task.Classes[c])
			t.score[c][i] = p.Scores[c]
			t.guess[c][i] = p.Scores[c] >= threshold
			if task.Type == document.Multiclass {
				t.guess[c][i] = best(p.Scores) == c
			}
		}
		t.order = append(t.order, byFallingScore(t.score[c]))
	}
	return t, nil
}

func best(scores []float64) int {
	at := 0
	for i, s := range scores {
		if s > scores[at] {
			at = i
		}
	}
	return at
}

func byFallingScore(score []float64) []int {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(score[b], score[a]); c != 0 {
			return c
		}
		return a - b
	})
	return order
}

// classes are those that a number of the task is made of.
func (t *Table) classes() []int {
	if t.task.Type == document.Multiclass && len(t.task.Classes) == 2 {
		return []int{1}
	}
	all := make([]int, len(t.task.Classes))
	for i := range all {
		all[i] = i
	}
	return all
}

// Score computes a metric of the task. weight says how often each row counts; nil counts each once.
func (t *Table) Score(name string, weight []int) Value {
	switch name {
	case "accuracy":
		return t.accuracy(weight)
	case "balanced_accuracy":
		return t.balanced(weight)
	}
	var sum float64
	n := 0
	why := "no class"
	for _, c := range t.classes() {
		v := t.Class(name, c, weight)
		if v.Undefined != "" {
			why = v.Undefined
			continue
		}
		sum, n = sum+v.Value, n+1
	}
	if n == 0 {
		return undefined("no eligible class: %s", why)
	}
	return Value{Value: sum / float64(n)}
}

// Class computes a metric of one class against the rest.
func (t *Table) Class(name string, c int, weight []int) Value {
	n := t.count(c, weight)
	class := t.task.Classes[c]
	switch {
	case n.tp+n.fn == 0:
		return undefined("class %s has no positive sample", class)
	case n.fp+n.tn == 0:
		return undefined("class %s has no negative sample", class)
	}
	switch name {
	case "auroc":
		return Value{Value: t.auroc(c, weight, n)}
	case "auprc":
		return Value{Value: t.auprc(c, weight, n)}
	case "sensitivity":
		return Value{Value: ratio(n.tp, n.tp+n.fn)}
	case "specificity":
		return Value{Value: ratio(n.tn, n.tn+n.fp)}
	case "f1":
		return Value{Value: ratio(2*n.tp, 2*n.tp+n.fp+n.fn)}
	case "accuracy":
		return Value{Value: ratio(n.tp+n.tn, n.tp+n.fp+n.tn+n.fn)}
	case "balanced_accuracy":
		return Value{Value: (ratio(n.tp, n.tp+n.fn) + ratio(n.tn, n.tn+n.fp)) / 2}
	}
	return undefined("there is no metric %q", name)
}

func ratio(a, b int) float64 { return float64(a) / float64(b) }

type confusion struct{ tp, fp, tn, fn int }

func times(weight []int, i int) int {
	if weight == nil {
		return 1
	}
	return weight[i]
}

func (t *Table) count(c int, weight []int) confusion {
	var n confusion
	for i, yes := range t.truth[c] {
		w := times(weight, i)
		switch guess := t.guess[c][i]; {
		case yes && guess:
			n.tp += w
		case yes:
			n.fn += w
		case guess:
			n.fp += w
		default:
			n.tn += w
		}
	}
	return n
}

// steps walks the distinct scores from the highest down and tells how many positives and negatives have
// each.
func (t *Table) steps(c int, weight []int, step func(pos, neg int)) {
	order := t.order[c]
	for i := 0; i < len(order); {
		pos, neg, j := 0, 0, i
		for ; j < len(order) && t.score[c][order[j]] == t.score[c][order[i]]; j++ {
			if w := times(weight, order[j]); t.truth[c][order[j]] {
				pos += w
			} else {
				neg += w
			}
		}
		step(pos, neg)
		i = j
	}
}

// auroc counts, in halves, the pairs of a positive and a negative that stand in the right order.
func (t *Table) auroc(c int, weight []int, n confusion) float64 {
	var halves, above int
	t.steps(c, weight, func(pos, neg int) {
		halves += neg * (2*above + pos)
		above += pos
	})
	return float64(halves) / 2 / float64(n.tp+n.fn) / float64(n.fp+n.tn)
}

// auprc is the average precision: the sum over falling thresholds of precision times the rise of recall.
func (t *Table) auprc(c int, weight []int, n confusion) float64 {
	var sum float64
	var tp, all int
	t.steps(c, weight, func(pos, neg int) {
		tp, all = tp+pos, all+pos+neg
		if pos > 0 {
			sum += float64(float64(pos) * ratio(tp, all))
		}
	})
	return sum / float64(n.tp+n.fn)
}

func (t *Table) accuracy(weight []int) Value {
	right, all := 0, 0
	for i := range t.rows() {
		w := times(weight, i)
		all += w
		if t.right(i) {
			right += w
		}
	}
	if all == 0 {
		return undefined("there is no sample")
	}
	return Value{Value: ratio(right, all)}
}

func (t *Table) rows() int {
	if len(t.truth) == 0 {
		return 0
	}
	return len(t.truth[0])
}

func (t *Table) right(i int) bool {
	for c := range t.truth {
		if t.truth[c][i] != t.guess[c][i] {
			return false
		}
	}
	return true
}

// balanced is the mean sensitivity of the classes that occur; in a multi-label task the mean over the
// eligible classes of the mean of sensitivity and specificity.
func (t *Table) balanced(weight []int) Value {
	var sum float64
	n := 0
	for c := range t.truth {
		k := t.count(c, weight)
		switch {
		case k.tp+k.fn == 0:
			continue
		case t.task.Type == document.Multiclass:
			sum += ratio(k.tp, k.tp+k.fn)
		case k.fp+k.tn == 0:
			continue
		default:
			sum += (ratio(k.tp, k.tp+k.fn) + ratio(k.tn, k.tn+k.fp)) / 2
		}
		n++
	}
	if n == 0 || t.task.Type == document.Multiclass && n < 2 {
		return undefined("fewer than two classes occur")
	}
	return Value{Value: sum / float64(n)}
}
