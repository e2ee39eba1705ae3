package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzRouteTable: a file of routing rules can be sent as JSON, or it is refused with exit code 2.
func FuzzRouteTable(f *testing.F) {
	f.Add("name,priority,strategy,targets,prefixes,accounts,disabled\nr,3,split,op1:70;op2:30,+1 2,7,false\n", uint8(0))
	f.Add("\ufeffName, targets\nr,op1:NaN\nx,op1:1e999\n", uint8(0))
	f.Add(`{"routes":[{"name":"r","targets":[{"connector":"op1"}]}]}`, uint8(1))
	f.Add("routes:\n- name: r\n  targets: [{connector: op1, weight: .nan}]\n", uint8(2))
	f.Add("- {1: 2, null: [true]}\n", uint8(2))
	f.Fuzz(func(t *testing.T, text string, format uint8) {
		rules, err := readTable(strings.NewReader(text), "-", []string{"csv", "json", "yaml"}[format%3])
		if err != nil {
			var exit *exitError
			if !errors.As(err, &exit) || exit.code != 2 || err.Error() == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if _, err := json.Marshal(rules); err != nil {
			t.Fatalf("%q cannot be sent: %v", text, err)
		}
	})
}
