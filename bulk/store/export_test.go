package store

// Probed returns opts with a function that the materialiser calls at the points of each
// transaction: "begin", "copied" (the rows' images are taken), "committed" (SQLite has it, the journal was not released) and
// "released". While it runs the database files do not change.
func Probed(opts Options, probe func(point string)) Options {
	opts.probe = probe
	return opts
}
