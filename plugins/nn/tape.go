package nn

import "math"

// Tensor is one named array of weights. Its gradients live on the tapes.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
	index int // place in Model.tensors
}

// matrix is a value on a tape. All values are matrices: a row is a time step, a pixel or a node of a graph,
// a column is a channel. grad is nil where no gradient is wanted.
type matrix struct {
	rows, cols int
	data, grad []float32
}

// tape records what was computed for one sample, so that it can be walked back. A tape belongs to one
// goroutine.
type tape struct {
	grads [][]float32 // by tensor, nil when only predicting
	used  []bool      // by tensor: whether a gradient was added since the last clear
	back  []func()
	page  []float32
	fill  int // how much of the page is in use
	more  int // how much did not fit
}

// alloc returns n zeros that are valid until the next reset.
func (t *tape) alloc(n int) []float32 {
	if t.fill+n > len(t.page) {
		t.more += n
		return make([]float32, n)
	}
	out := t.page[t.fill : t.fill+n : t.fill+n]
	t.fill += n
	clear(out)
	return out
}

// reset forgets everything but the gradients of the weights. The page grows to what the last sample took.
func (t *tape) reset() {
	if t.more > 0 {
		t.page = make([]float32, t.fill+t.more)
	}
	clear(t.back)
	t.back, t.fill, t.more = t.back[:0], 0, 0
}

// value makes a matrix that has a gradient if the tape learns.
func (t *tape) value(rows, cols int) *matrix {
	m := t.constant(rows, cols)
	if t.grads != nil {
		m.grad = t.alloc(rows * cols)
	}
	return m
}

// constant makes a matrix without a gradient.
func (t *tape) constant(rows, cols int) *matrix {
	return &matrix{rows: rows, cols: cols, data: t.alloc(rows * cols)}
}

// result makes the matrix of an operation without weights: it has a gradient if the operand has one.
func (t *tape) result(of *matrix, rows, cols int) *matrix {
	if of.grad == nil {
		return t.constant(rows, cols)
	}
	return t.value(rows, cols)
}

// onBack says how the gradient of y goes back.
func (t *tape) onBack(y *matrix, f func()) {
	if y.grad != nil {
		t.back = append(t.back, f)
	}
}

// backward walks the tape back, last operation first.
func (t *tape) backward() {
	for i := len(t.back) - 1; i >= 0; i-- {
		t.back[i]()
	}
}

// gradient returns the buffer of a tensor's gradient.
func (t *tape) gradient(w *Tensor) []float32 {
	t.used[w.index] = true
	return t.grads[w.index]
}

// dense is x·wᵀ + b for each row.
func (t *tape) dense(x *matrix, w, b *Tensor) *matrix {
	in, out := x.cols, len(b.Data)
	y := t.value(x.rows, out)
	mulTransposed(y.data, x.data, w.Data, b.Data, x.rows, in, out)
	t.onBack(y, func() {
		addMul(t.gradient(w), y.grad, x.data, out, x.rows, in, 1, out)
		gb := t.gradient(b)
		for r := range y.rows {
			axpy(gb, 1, y.grad[r*out:(r+1)*out])
		}
		if x.grad != nil {
			addMul(x.grad, y.grad, w.Data, x.rows, out, in, out, 1)
		}
	})
	return y
}

// relu is max(x, 0).
func (t *tape) relu(x *matrix) *matrix {
	y := t.result(x, x.rows, x.cols)
	for i, v := range x.data {
		y.data[i] = max(v, 0)
	}
	t.onBack(y, func() {
		for i, v := range x.data {
			if v > 0 {
				x.grad[i] += y.grad[i]
			}
		}
	})
	return y
}

// add is x + z; both have gradients or neither has.
func (t *tape) add(x, z *matrix) *matrix {
	y := t.result(x, x.rows, x.cols)
	for i, v := range x.data {
		y.data[i] = v + z.data[i]
	}
	t.onBack(y, func() {
		axpy(x.grad, 1, y.grad)
		axpy(z.grad, 1, y.grad)
	})
	return y
}

// window says which rows of x a convolution sees at each of its places. An image is stored row by row, a
// signal is an image of height one.
type window struct {
	height, width   int // of x
	tall, wide      int // of the kernel
	stride, stretch int // across, and down
}

// outer is the number of places along one axis; the kernel is centred, and x is padded with zeros.
func outer(n, stride int) int { return (n + stride - 1) / stride }

// size is the number of places down and across.
func (g window) size() (rows, cols int) { return outer(g.height, g.stretch), outer(g.width, g.stride) }

// each calls f for every run of pixels that a kernel row covers: n pixels of x from row `from` on are the
// cells of place `place` from cell `cell` on.
func (g window) each(f func(place, cell, from, n int)) {
	rows, cols := g.size()
	for r := range rows {
		for c := range cols {
			left := c*g.stride - g.wide/2
			first, last := max(left, 0), min(left+g.wide, g.width)
			for k := range g.tall {
				if at := r*g.stretch - g.tall/2 + k; at >= 0 && at < g.height && last > first {
					f(r*cols+c, k*g.wide+first-left, at*g.width+first, last-first)
				}
			}
		}
	}
}

// windows lays out what a convolution sees: one row a place, one column a cell of the kernel and channel.
func (t *tape) windows(x *matrix, g window) *matrix {
	rows, cols := g.size()
	ch, wide := x.cols, g.tall*g.wide*x.cols
	y := t.result(x, rows*cols, wide)
	g.each(func(place, cell, from, n int) {
		copy(y.data[place*wide+cell*ch:], x.data[from*ch:(from+n)*ch])
	})
	t.onBack(y, func() {
		g.each(func(place, cell, from, n int) {
			at := place*wide + cell*ch
			axpy(x.grad[from*ch:(from+n)*ch], 1, y.grad[at:at+n*ch])
		})
	})
	return y
}

// pool sums up the rows: their mean and their maximum, side by side. With scale, also mean·log(1+rows),
// which tells a large graph from a small one.
func (t *tape) pool(x *matrix, scale float32) *matrix {
	parts := 2
	if scale != 0 {
		parts = 3
	}
	c, inverse := x.cols, 1/float32(x.rows)
	y := t.result(x, 1, parts*c)
	best := make([]int, c)
	for r := range x.rows {
		row := x.data[r*c : (r+1)*c]
		for j, v := range row {
			y.data[j] += v
			if v > x.data[best[j]*c+j] {
				best[j] = r
			}
		}
	}
	for j := range c {
		y.data[j] = float32(y.data[j] * inverse)
		y.data[c+j] = x.data[best[j]*c+j]
		if scale != 0 {
			y.data[2*c+j] = float32(y.data[j] * scale)
		}
	}
	t.onBack(y, func() {
		for j := range c {
			mean := y.grad[j]
			if scale != 0 {
				mean += float32(y.grad[2*c+j] * scale)
			}
			mean = float32(mean * inverse)
			for r := range x.rows {
				x.grad[r*c+j] += mean
			}
			x.grad[best[j]*c+j] += y.grad[c+j]
		}
	})
	return y
}

// neighbours puts beside each row the mean of the rows that an edge leads to it from.
func (t *tape) neighbours(x *matrix, edges []int32) *matrix {
	c := x.cols
	share := t.alloc(x.rows)
	for i := 1; i < len(edges); i += 2 {
		share[edges[i]]++
	}
	for i, n := range share {
		share[i] = 1 / max(n, 1)
	}
	y := t.result(x, x.rows, 2*c)
	for r := range x.rows {
		copy(y.data[r*2*c:], x.data[r*c:(r+1)*c])
	}
	along := func(f func(from, to int, share float32)) {
		for i := 0; i+1 < len(edges); i += 2 {
			f(int(edges[i]), int(edges[i+1]), share[edges[i+1]])
		}
	}
	along(func(from, to int, share float32) {
		axpy(y.data[to*2*c+c:(to+1)*2*c], share, x.data[from*c:(from+1)*c])
	})
	t.onBack(y, func() {
		for r := range x.rows {
			axpy(x.grad[r*c:(r+1)*c], 1, y.grad[r*2*c:r*2*c+c])
		}
		along(func(from, to int, share float32) {
			axpy(x.grad[from*c:(from+1)*c], share, y.grad[to*2*c+c:(to+1)*2*c])
		})
	})
	return y
}

// finite reports whether no value is NaN or infinite.
func finite(v []float32) bool {
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return false
		}
	}
	return true
}
