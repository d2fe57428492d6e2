// Package detmath holds the few elementary functions that learning needs, with the same bits on every
// platform.
//
// Package math does not promise that: it has assembly for some functions on some architectures, and the
// compiler may fuse x*y + z into one instruction where the machine has one (arm64 has, amd64 by default has
// not). Here every product is converted explicitly, which the language specification says prevents fusion,
// and only operations that IEEE 754 rounds correctly are used. Exp and Log lie within 2 ulp of the exact value,
// Sigmoid within 4, Cos within 2.3e-16.
//
// The methods are those of FreeBSD's msun: reduction of the argument, then a short polynomial.
package detmath

import "math"

const (
	ln2Hi = 6.93147180369123816490e-01
	ln2Lo = 1.90821492927058770002e-10
)

// Exp returns e**x. It is 0 below -745.2 and +Inf above 709.8.
func Exp(x float64) float64 {
	switch {
	case math.IsNaN(x) || x > 709.782712893384:
		return x + math.Inf(1)
	case x < -745.2:
		return 0
	}
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	hi := x - float64(k*ln2Hi)
	lo := float64(k * ln2Lo)
	r := hi - lo
	t := float64(r * r)
	c := r - float64(t*poly(t, 1.66666666666666657415e-01, -2.77777777770155933842e-03,
		6.61375632143793436117e-05, -1.65339022054652515390e-06, 4.13813679705723846039e-08))
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	return math.Ldexp(y, int(k))
}

// Log returns the natural logarithm of x: NaN below 0, -Inf at 0.
func Log(x float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	f, exp := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f *= 2
		exp--
	}
	f--
	k := float64(exp)
	s := f / (2 + f)
	s2 := float64(s * s)
	r := float64(s2 * poly(s2, 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
		2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01))
	half := float64(0.5 * float64(f*f))
	return float64(k*ln2Hi) - ((half - (float64(s*(half+r)) + float64(k*ln2Lo))) - f)
}

// Cos returns the cosine of x for |x| <= 2π.
func Cos(x float64) float64 {
	const (
		halfPiHi = 1.57079632673412561417e+00
		halfPiLo = 6.07710050650619224932e-11
	)
	k := math.Floor(float64(math.Abs(x)*(2/math.Pi)) + 0.5)
	r := (math.Abs(x) - float64(k*halfPiHi)) - float64(k*halfPiLo)
	switch int(k) & 3 {
	case 0:
		return cosKernel(r)
	case 1:
		return -sinKernel(r)
	case 2:
		return -cosKernel(r)
	}
	return sinKernel(r)
}

// cosKernel is cos on [-π/4, π/4].
func cosKernel(x float64) float64 {
	z := float64(x * x)
	r := float64(z * poly(z, 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
		-2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11))
	half := float64(0.5 * z)
	w := 1 - half
	return w + ((1 - w - half) + float64(z*r))
}

// sinKernel is sin on [-π/4, π/4].
func sinKernel(x float64) float64 {
	z := float64(x * x)
	r := poly(z, -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
		2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10)
	return x + float64(float64(z*x)*r)
}

// poly is c[0] + c[1]·x + c[2]·x² + ..., by Horner's rule.
func poly(x float64, c ...float64) float64 {
	y := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		y = float64(y*x) + c[i]
	}
	return y
}

// Sigmoid returns 1 / (1 + e**-x), without overflow.
func Sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + Exp(-x))
	}
	e := Exp(x)
	return e / (1 + e)
}

// Power returns x**n by repeated multiplication.
func Power(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			y = float64(y * x)
		}
		x = float64(x * x)
	}
	return y
}

// Source gives uniform 64-bit words, such as a *rand.PCG.
type Source interface{ Uint64() uint64 }

// Uniform draws from [0, 1) with 53 bits. It multiplies, because the compiler turns a division by a power of
// two into a product that it may fuse.
func Uniform(src Source) float64 { return float64(float64(src.Uint64()>>11) * 0x1p-53) }

// Normal draws from the standard normal distribution by Marsaglia's polar method. The second value of each
// pair is dropped, so that a source has no other state than its own.
func Normal(src Source) float64 {
	for {
		u := float64(2*Uniform(src)) - 1
		v := float64(2*Uniform(src)) - 1
		s := float64(u*u) + float64(v*v)
		if s > 0 && s < 1 {
			return float64(u * math.Sqrt(float64(-2*Log(s))/s))
		}
	}
}

// Intn draws from [0, n) without bias. n must be positive.
func Intn(src Source, n int) int {
	limit := math.MaxUint64 - math.MaxUint64%uint64(n)
	for {
		if v := src.Uint64(); v < limit {
			return int(v % uint64(n))
		}
	}
}
