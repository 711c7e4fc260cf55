//go:build race

package validators_test

const raceEnabled = true
