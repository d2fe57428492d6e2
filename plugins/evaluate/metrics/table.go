package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Table is the predictions of one task, ready to be scored any number of times over any choice of rows.
type Table struct {
	task  document.Task
	rows  int
	truth [][]bool    // class, row
	guess [][]bool    // class, row
	score [][]float64 // class, row
	order [][]int     // class: rows by falling score
}

// NewTable prepares predictions. In a multi-label task a class is predicted from threshold on; in a
// multi-class task the predicted class is the one with the highest score, the first of equals.
func NewTable(task document.Task, predictions []document.Prediction, threshold float64) (*Table, error) {
	if task.Type != document.Multiclass && task.Type != document.Multilabel {
		return nil, fmt.Errorf("task type is %q, want %s or %s", task.Type, document.Multiclass, document.Multilabel)
	}
	for _, p := range predictions {
		if err := check(task, p); err != nil {
			return nil, err
		}
	}
	t := &Table{task: task, rows: len(predictions)}
	for c := range task.Classes {
		t.add(c, predictions, threshold)
	}
	return t, nil
}

// check refuses what would be scored in silence as something else.
func check(task document.Task, p document.Prediction) error {
	if len(p.Scores) != len(task.Classes) {
		return fmt.Errorf("sample %s has %d scores for %d classes", p.ID, len(p.Scores), len(task.Classes))
	}
	if task.Type == document.Multiclass && len(p.Labels) != 1 {
		return fmt.Errorf("sample %s has %d labels, want one", p.ID, len(p.Labels))
	}
	for _, l := range p.Labels {
		if !slices.Contains(task.Classes, l) {
			return fmt.Errorf("sample %s: label %q is no class of the task", p.ID, l)
		}
	}
	for c, s := range p.Scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return fmt.Errorf("sample %s: score of class %s is %v, want a finite number", p.ID, task.Classes[c], s)
		}
	}
	return nil
}

// add appends the columns of class c.
func (t *Table) add(c int, predictions []document.Prediction, threshold float64) {
	truth, guess, score := make([]bool, t.rows), make([]bool, t.rows), make([]float64, t.rows)
	for i, p := range predictions {
		truth[i] = slices.Contains(p.Labels, t.task.Classes[c])
		score[i] = p.Scores[c]
		guess[i] = score[i] >= threshold
		if t.task.Type == document.Multiclass {
			guess[i] = best(p.Scores) == c
		}
	}
	t.truth, t.guess, t.score = append(t.truth, truth), append(t.guess, guess), append(t.score, score)
	t.order = append(t.order, byFallingScore(score))
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
		return cmp.Or(cmp.Compare(score[b], score[a]), a-b)
	})
	return order
}

// right says whether all labels of a row are predicted and no other.
func (t *Table) right(row int) bool {
	for c := range t.truth {
		if t.truth[c][row] != t.guess[c][row] {
			return false
		}
	}
	return true
}

// confusion counts the rows of one class against the rest.
type confusion struct{ tp, fp, tn, fn int }

func (n confusion) positives() int { return n.tp + n.fn }
func (n confusion) negatives() int { return n.tn + n.fp }

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

// times is how often a row counts.
func times(weight []int, row int) int {
	if weight == nil {
		return 1
	}
	return weight[row]
}

// steps walks the distinct scores of a class from the highest down and tells how many positives and
// negatives have each.
func (t *Table) steps(c int, weight []int, step func(pos, neg int)) {
	order, score, truth := t.order[c], t.score[c], t.truth[c]
	for i := 0; i < len(order); {
		pos, neg, here := 0, 0, score[order[i]]
		for ; i < len(order) && score[order[i]] == here; i++ {
			if w := times(weight, order[i]); truth[order[i]] {
				pos += w
			} else {
				neg += w
			}
		}
		step(pos, neg)
	}
}
