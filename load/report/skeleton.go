package report

import "io"

// WriteHTML writes the self-contained report.
func WriteHTML(w io.Writer, run *Run) error { return nil }

// WriteJSON writes the summary as JSON.
func WriteJSON(w io.Writer, run *Run) error { return nil }
