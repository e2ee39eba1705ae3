package gsm_test

import (
	"encoding/json"
	"testing"

	"protei-bulk/gsm"
)

func TestEncodingNames(t *testing.T) {
	for _, name := range []string{"AUTO", "GSM7", "LATIN1", "UCS2", "BINARY"} {
		enc, err := gsm.ParseEncoding(name)
		if err != nil || enc.String() != name {
			t.Errorf("%s reads as %v, %v", name, enc, err)
		}
	}
	if enc, err := gsm.ParseEncoding(""); enc != gsm.Auto || err != nil {
		t.Errorf("empty: %v, %v", enc, err)
	}
	var v struct{ Encoding gsm.Encoding }
	if err := json.Unmarshal([]byte(`{"Encoding":"ucs2"}`), &v); err != nil || v.Encoding != gsm.UCS2 {
		t.Errorf("%v, %v", v, err)
	}
	if err := json.Unmarshal([]byte(`{"Encoding":"EBCDIC"}`), &v); err == nil {
		t.Error("EBCDIC passes")
	}
}
