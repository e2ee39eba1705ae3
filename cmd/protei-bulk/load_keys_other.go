//go:build !linux

package main

import "os"

func inForeground(*os.File) bool { return false }

// readKeys is not there for this system: a run can not be changed by keys.
func readKeys(*os.File) (restore func(), ok bool) { return nil, false }

func awaitKeys(*os.File, []byte) (n int, ok bool) { return 0, false }
