// Package test holds the tests of the whole system: the real binary, started as a
// user starts it, talked to through its sockets and ended as machines end it.
package test
