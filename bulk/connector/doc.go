// Package connector knows the platform's ways to SMSCs: what an administrator decides
// about each of them (Spec), and the set of all (Directory), which is the truth that the
// store keeps.
//
// A Directory holds everything in memory as an immutable list that is swapped as a whole.
// A change is checked, written through to a Store, shown, and handed to a Runner, which
// makes the links follow. Passwords travel to the Store in Secrets, apart from the rest, so
// that the Store can encrypt them, and are in no JSON form of a Spec. The package starts
// no goroutine.
package connector
