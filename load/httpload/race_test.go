//go:build race

package httpload_test

// raceDetector is on: sync.Pool then drops items on purpose.
const raceDetector = true
