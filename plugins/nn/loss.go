package nn

import (
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

// scores turns logits into probabilities: softmax for multiclass, which adds up to one, sigmoids otherwise.
func scores(task string, logits []float32) []float64 {
	p := make([]float64, len(logits))
	if task != document.Multiclass {
		for i, z := range logits {
			p[i] = detmath.Sigmoid(float64(z))
		}
		return p
	}
	top := logits[0]
	for _, z := range logits {
		top = max(top, z)
	}
	var sum float64
	for i, z := range logits {
		p[i] = detmath.Exp(float64(z) - float64(top))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// loss is the cross-entropy of the logits against the target (summed over the classes of a multiclass task,
// averaged over those of a multilabel task). The logits get its gradient times weight.
func loss(task string, logits *matrix, target []float32, weight float32) float64 {
	p := scores(task, logits.data)
	if task != document.Multiclass {
		weight /= float32(len(p))
	}
	for i := range logits.grad {
		logits.grad[i] += float32((float32(p[i]) - target[i]) * weight)
	}
	var sum float64
	for i, y := range target {
		if y == 1 {
			sum -= logClamped(p[i])
		} else if task != document.Multiclass {
			sum -= logClamped(1 - p[i])
		}
	}
	if task != document.Multiclass {
		sum /= float64(len(p))
	}
	return sum
}

// logClamped keeps a loss finite where a probability has become 0.
func logClamped(p float64) float64 { return detmath.Log(max(p, 1e-12)) }
