// Package metrics computes the numbers of a benchmark from predictions.
//
// A metric of one class looks at that class against the rest. A metric of a task is the unweighted mean over
// its eligible classes (macro), those with both positive and negative samples. A multi-class task with two
// classes has one number instead, that of its second class: by custom the classes of a task are listed with
// the positive one last. Accuracy counts samples whose predicted labels are exactly the true ones. Balanced
// accuracy of a multi-class task is the mean sensitivity of the classes that occur; of a multi-label task it
// is the mean over the eligible classes of (sensitivity + specificity) / 2.
//
// What cannot be computed is undefined and says why; it is never 0 or 0.5. The definitions are
// scikit-learn's: roc_auc_score (ties by midrank), average_precision_score, recall_score, f1_score,
// accuracy_score, balanced_accuracy_score; testdata holds its values.
//
// Pairs and samples are counted in integers and divided once, in one order, so a number has the same bits on
// every machine. Intervals come from a percentile bootstrap over subjects or samples (Bootstrap).
package metrics

import (
	"fmt"
	"slices"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Names of the metrics.
const (
	AUROC            = "auroc"
	AUPRC            = "auprc"
	Sensitivity      = "sensitivity"
	Specificity      = "specificity"
	F1               = "f1"
	Accuracy         = "accuracy"
	BalancedAccuracy = "balanced_accuracy"
)

// Names lists the metrics.
func Names() []string {
	return []string{AUROC, AUPRC, Sensitivity, Specificity, F1, Accuracy, BalancedAccuracy}
}

// Value is a number, or why there is none.
type Value struct {
	Value     float64
	Undefined string
}

// reason is why a value is undefined; it is put into words only where somebody reads it.
type reason int

const (
	defined reason = iota
	noPositive
	noNegative
	noSample
	oneClass
	noEligible
	noMetric
)

func (t *Table) value(v float64, why reason, name string, c int) Value {
	if !slices.Contains(Names(), name) {
		why = noMetric
	}
	switch why {
	case defined:
		return Value{Value: v}
	case noPositive:
		return undefined("class %s has no positive sample", t.task.Classes[c])
	case noNegative:
		return undefined("class %s has no negative sample", t.task.Classes[c])
	case noSample:
		return undefined("there is no sample")
	case oneClass:
		return undefined("fewer than two classes occur")
	case noEligible:
		return undefined("no class has both positive and negative samples")
	}
	return undefined("there is no metric %q", name)
}

func undefined(format string, args ...any) Value {
	return Value{Undefined: fmt.Sprintf(format, args...)}
}

// Score computes a metric of the task. weight says how often each row counts; nil counts each once.
func (t *Table) Score(name string, weight []int) Value {
	v, why := t.overall(name, weight)
	return t.value(v, why, name, t.positive())
}

// Class computes a metric of one class against the rest.
func (t *Table) Class(name string, c int, weight []int) Value {
	v, why := t.class(name, c, weight)
	return t.value(v, why, name, c)
}

// twoClasses says whether the task has one number, that of its positive class.
func (t *Table) twoClasses() bool {
	return t.task.Type == document.Multiclass && len(t.task.Classes) == 2
}

func (t *Table) positive() int { return len(t.task.Classes) - 1 }

func (t *Table) overall(name string, weight []int) (float64, reason) {
	switch {
	case name == Accuracy:
		return t.accuracy(weight)
	case name == BalancedAccuracy && t.task.Type == document.Multiclass:
		return t.meanSensitivity(weight)
	case t.twoClasses():
		return t.class(name, t.positive(), weight)
	}
	return t.macro(name, weight)
}

// macro is the mean over the eligible classes.
func (t *Table) macro(name string, weight []int) (float64, reason) {
	var sum float64
	n := 0
	for c := range t.task.Classes {
		v, why := t.class(name, c, weight)
		if why == defined {
			sum, n = sum+v, n+1
		}
	}
	if n == 0 {
		return 0, noEligible
	}
	return sum / float64(n), defined
}

func (t *Table) class(name string, c int, weight []int) (float64, reason) {
	n := t.count(c, weight)
	switch {
	case n.positives() == 0:
		return 0, noPositive
	case n.negatives() == 0:
		return 0, noNegative
	}
	switch name {
	case AUROC:
		return t.auroc(c, weight, n), defined
	case AUPRC:
		return t.auprc(c, weight, n), defined
	case Sensitivity:
		return ratio(n.tp, n.positives()), defined
	case Specificity:
		return ratio(n.tn, n.negatives()), defined
	case F1:
		return ratio(2*n.tp, 2*n.tp+n.fp+n.fn), defined
	case Accuracy:
		return ratio(n.tp+n.tn, n.positives()+n.negatives()), defined
	case BalancedAccuracy:
		return (ratio(n.tp, n.positives()) + ratio(n.tn, n.negatives())) / 2, defined
	}
	return 0, noMetric
}

func ratio(a, b int) float64 { return float64(a) / float64(b) }

// auroc counts, in halves, the pairs of a positive and a negative that stand in the right order.
func (t *Table) auroc(c int, weight []int, n confusion) float64 {
	var halves, above int
	t.steps(c, weight, func(pos, neg int) {
		halves += neg * (2*above + pos)
		above += pos
	})
	return ratio(halves, 2*n.positives()*n.negatives())
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
	return sum / float64(n.positives())
}

func (t *Table) accuracy(weight []int) (float64, reason) {
	right, all := 0, 0
	for i := range t.rows {
		w := times(weight, i)
		all += w
		if w > 0 && t.right(i) {
			right += w
		}
	}
	if all == 0 {
		return 0, noSample
	}
	return ratio(right, all), defined
}

// meanSensitivity is the balanced accuracy of a multi-class task.
func (t *Table) meanSensitivity(weight []int) (float64, reason) {
	var sum float64
	occur := 0
	for c := range t.task.Classes {
		if n := t.count(c, weight); n.positives() > 0 {
			sum, occur = sum+ratio(n.tp, n.positives()), occur+1
		}
	}
	if occur < 2 {
		return 0, oneClass
	}
	return sum / float64(occur), defined
}
