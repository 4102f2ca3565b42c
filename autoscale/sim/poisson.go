package sim

import (
	"math"
	"math/rand/v2"
)

// poisson draws how many requests arrive where mean are expected. Source: W. Hörmann, "The transformed rejection method for generating Poisson random
// variables", 1993, algorithm PTRS; for small means D. Knuth's product of uniforms.
func poisson(r *rand.Rand, mean float64) float64 {
	if !(mean > 0) {
		return 0
	}
	if mean < 12 {
		limit, product, k := math.Exp(-mean), r.Float64(), 0.0
		for product > limit {
			product *= r.Float64()
			k++
		}
		return k
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	vr := 0.9277 - 3.6224/(b-2)
	for {
		u := r.Float64() - 0.5
		v := r.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		gamma, _ := math.Lgamma(k + 1)
		invAlpha := 1.1239 + 1.1328/(b-3.4)
		if math.Log(v*invAlpha/(a/(us*us)+b)) <= k*math.Log(mean)-mean-gamma {
			return k
		}
	}
}
