// Package test holds the tests of the whole system: the real binary, started as a
// user starts it, talked to through its sockets and ended as machines end it.
//
// binary_test.go builds and starts it, platform_test.go asks it things. Each other file is
// a kind of day: input and sockets (what comes in is wrong), mistakes (the operator's),
// limits, concurrency, smsc, states and webhook (what goes out), life, kill and trouble
// (starts, ends and what happens in between), demo, tls, docs, locust (a second opinion of
// the load tester), and interop, foreign_smsc and kannel: SMPP clients and an SMSC that
// are not ours, from npm/ and Debian. Tests that wait more than they work run beside each
// other; the ones that measure memory, time or load run alone.
package test
