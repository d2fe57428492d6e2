package nn

// The two loops in which nearly all time is spent. Both do four rows at once, so that values are loaded
// once for four products; every product is rounded explicitly, so that no compiler fuses it into a sum.

// axpy4 adds a0·x0 + a1·x1 + a2·x2 + a3·x3 to y.
func axpy4(y []float32, a0, a1, a2, a3 float32, x0, x1, x2, x3 []float32) {
	n := len(y)
	x0, x1, x2, x3 = x0[:n], x1[:n], x2[:n], x3[:n]
	for i := range y {
		y[i] += (float32(a0*x0[i]) + float32(a1*x1[i])) + (float32(a2*x2[i]) + float32(a3*x3[i]))
	}
}

// axpy adds a·x to y.
func axpy(y []float32, a float32, x []float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] += float32(a * x[i])
	}
}

// dot4 returns the products of x with four rows.
func dot4(x, w0, w1, w2, w3 []float32) (s0, s1, s2, s3 float32) {
	n := len(x)
	w0, w1, w2, w3 = w0[:n], w1[:n], w2[:n], w3[:n]
	for i, v := range x {
		s0 += float32(v * w0[i])
		s1 += float32(v * w1[i])
		s2 += float32(v * w2[i])
		s3 += float32(v * w3[i])
	}
	return s0, s1, s2, s3
}

// dot returns the product of two vectors.
func dot(x, w []float32) (s float32) {
	w = w[:len(x)]
	for i, v := range x {
		s += float32(v * w[i])
	}
	return s
}

// mulTransposed writes y = x·wᵀ + b, where x is [rows, in], w is [out, in] and y is [rows, out].
func mulTransposed(y, x, w, b []float32, rows, in, out int) {
	for r := range rows {
		xr, yr := x[r*in:(r+1)*in], y[r*out:(r+1)*out]
		o := 0
		for ; o+4 <= out; o += 4 {
			k := w[o*in : (o+4)*in]
			s0, s1, s2, s3 := dot4(xr, k, k[in:], k[2*in:], k[3*in:])
			yr[o], yr[o+1], yr[o+2], yr[o+3] = s0+b[o], s1+b[o+1], s2+b[o+2], s3+b[o+3]
		}
		for ; o < out; o++ {
			yr[o] = dot(xr, w[o*in:(o+1)*in]) + b[o]
		}
	}
}

// addMul adds a·x to y, where a is [rows, inner], x is [inner, cols] and y is [rows, cols]. The element
// (r, i) of a is a[r*rowStep+i*innerStep], so that a transposed matrix needs no copy. Four zeros of a in a
// row are skipped, which a ReLU makes common.
func addMul(y, a, x []float32, rows, inner, cols, rowStep, innerStep int) {
	for r := range rows {
		yr := y[r*cols : (r+1)*cols]
		i := 0
		for ; i+4 <= inner; i += 4 {
			at := r*rowStep + i*innerStep
			a0, a1, a2, a3 := a[at], a[at+innerStep], a[at+2*innerStep], a[at+3*innerStep]
			if a0 == 0 && a1 == 0 && a2 == 0 && a3 == 0 {
				continue
			}
			k := x[i*cols : (i+4)*cols]
			axpy4(yr, a0, a1, a2, a3, k, k[cols:], k[2*cols:], k[3*cols:])
		}
		for ; i < inner; i++ {
			axpy(yr, a[r*rowStep+i*innerStep], x[i*cols:(i+1)*cols])
		}
	}
}
