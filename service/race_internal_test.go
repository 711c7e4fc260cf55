//go:build race

package service

// scaleSize is smaller with the race detector, which makes everything many times slower.
const scaleSize = 5_000
