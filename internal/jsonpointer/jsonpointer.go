// Package jsonpointer writes places in JSON documents (RFC 6901).
package jsonpointer

import "strings"

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

// Escape makes a reference token of the name of a member (§3).
func Escape(name string) string { return escapes.Replace(name) }

// Join appends the name of a member to a pointer.
func Join(pointer, name string) string { return pointer + "/" + Escape(name) }
