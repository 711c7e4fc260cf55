//go:build !race

package service

// scaleSize is how many containers and attempts tests of many of them have.
const scaleSize = 100_000
