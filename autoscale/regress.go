package autoscale

import "math"

// features is how many numbers a forecast is made from.
const features = 10

type vector [features]float64

func (a *vector) dot(b *vector) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// regression is linear least squares over what was seen lately: old observations fade.
type regression struct {
	Gram    [features * (features + 1) / 2]float64 // lower triangle, row by row
	Moment  vector
	Weights vector
}

// add counts one observation.
func (r *regression) add(x *vector, y, fade float64) {
	k := 0
	for i := range x {
		for j := 0; j <= i; j++ {
			r.Gram[k] = r.Gram[k]*fade + x[i]*x[j]
			k++
		}
		r.Moment[i] = r.Moment[i]*fade + x[i]*y
	}
}

// solve sets the weights: Cholesky's method, with a ridge that holds them at a prior until there is evidence.
func (r *regression) solve(prior *vector) {
	var l [features][features]float64
	ridge := 0.001 + 3/(r.Gram[0]+1)
	k := 0
	for i := range features {
		for j := 0; j <= i; j++ {
			sum := r.Gram[k]
			k++
			for c := range j {
				sum -= l[i][c] * l[j][c]
			}
			if i == j {
				l[i][i] = math.Sqrt(math.Max(sum+ridge, 1e-12))
			} else {
				l[i][j] = sum / l[j][j]
			}
		}
	}
	var half vector
	for i := range features {
		sum := r.Moment[i] + ridge*prior[i]
		for c := range i {
			sum -= l[i][c] * half[c]
		}
		half[i] = sum / l[i][i]
	}
	for i := features - 1; i >= 0; i-- {
		sum := half[i]
		for c := i + 1; c < features; c++ {
			sum -= l[c][i] * r.Weights[c]
		}
		r.Weights[i] = sum / l[i][i]
	}
}

// calm makes the weights smaller until a higher demand never gives a lower forecast: what the latest sample (of 10 or 60 s) adds to the level must outweigh
// what it adds to the distance from the averages, also where a forecast's growth is overshot.
func (r *regression) calm() {
	shrink := 1.0
	for _, dt := range []float64{10, 60} {
		sum, slow := r.Weights[0], 0.0
		for i, pace := range paces {
			sum += r.Weights[i+1]
			slow += r.Weights[i+1] * dt / (pace + dt)
		}
		for _, part := range []float64{dt / (quickness + dt), 1} {
			if less := (part*sum - slow) * (1 + overshoot); less < -part {
				shrink = math.Min(shrink, -part/less)
			}
		}
	}
	for i := range r.Weights {
		r.Weights[i] *= shrink
	}
}
