//go:build !linux

package main

// askParentDeathSignal does nothing: without the kernel's help the poll decides.
func askParentDeathSignal() (forget func()) { return func() {} }
