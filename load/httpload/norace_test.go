//go:build !race

package httpload_test

const raceDetector = false
