package suppression_test

import (
	"context"
	"strings"
	"testing"

	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/contact/suppression/suppressiontest"
)

// FuzzNumber: what is read is written the same way again, and is found by its digits.
func FuzzNumber(f *testing.F) {
	for _, text := range []string{"+49 151 1234", "000", "123456789012345", "1234567890123456", "12", "+", "1+1", "(0049)", "\x00", "٤٥٦", "+0"} {
		f.Add(text)
	}
	lists, err := suppression.Open(context.Background(), new(suppressiontest.Store))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := suppression.ParseNumber(text)
		if err != nil {
			return
		}
		digits := n.String()
		if again, err := suppression.ParseNumber(digits); err != nil || again != n || len(digits) < 3 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
			t.Fatalf("%q became %q, that %v, %v", text, digits, again, err)
		}
		e := suppression.Entry{Key: suppression.Key{Account: 7, Number: n}, Kinds: suppression.OptedOut}
		if _, err := lists.Add(context.Background(), []suppression.Entry{e}); err != nil {
			t.Fatal(err)
		}
		if lists.Check(7, "S", digits) == 0 || lists.Check(7, "S", "+"+digits) == 0 || lists.Check(8, "S", digits) != 0 {
			t.Fatalf("%q is not found by %q", text, digits)
		}
	})
}

// FuzzWish: no text makes it fail, and a keyword stays one in capitals and with spaces around it.
func FuzzWish(f *testing.F) {
	k := suppression.NewKeywords(suppression.DefaultStop(), suppression.DefaultStart())
	for _, text := range append(suppression.DefaultStop(), "please stop", "\xff", "", "إِيقَاف", "İPTAL", "ß", "\u0345QUIT") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := k.Wish(text)
		// A Greek accent that becomes a letter in capitals.
		if w != suppression.NoWish && !strings.ContainsRune(text, '\u0345') {
			for _, form := range []string{" " + text + "\r\n", text + "!", strings.ToUpper(text)} {
				if len(form) <= 100 && k.Wish(form) != w { // longer texts are not looked at
					t.Errorf("%q asks for %d, %q does not", text, w, form)
				}
			}
		}
	})
}
