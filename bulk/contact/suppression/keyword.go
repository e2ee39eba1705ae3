package suppression

import (
	"strings"
	"unicode"
)

// Wish is what a message from a mobile asks for.
type Wish uint8

// The wishes.
const (
	NoWish Wish = iota
	Stop        // to be written to no more
	Start       // to be written to again
)

// DefaultStop are words that ask for no more messages, in English, French, German, Spanish,
// Italian, Portuguese, Turkish, Russian, Farsi, Urdu and Arabic.
func DefaultStop() []string {
	return []string{
		"STOP", "STOPALL", "UNSUBSCRIBE", "OPTOUT", "END", "QUIT", "ARRET", "ARRÊT", "STOPP", "ABMELDEN", "PARAR", "BAJA", "SAIR",
		"DUR", "İPTAL", "СТОП", "لغو", "بند", "إيقاف", "ايقاف", "أوقف", "توقف", "وقف", "قف", "إلغاء", "الغاء", "إلغاء الاشتراك",
	}
}

// DefaultStart are words that ask for messages again.
func DefaultStart() []string {
	return []string{"START", "UNSTOP", "SUBSCRIBE", "OPTIN", "СТАРТ", "ابدأ", "ابدا", "بدء", "اشتراك", "تفعيل", "استئناف"}
}

// Keywords finds the words that ask to be left out, and to be let in again.
type Keywords struct{ wishes map[string]Wish }

// NewKeywords takes words, or phrases, in any case.
func NewKeywords(stop, start []string) *Keywords {
	k := &Keywords{wishes: make(map[string]Wish)}
	for _, word := range start {
		k.wishes[fold(word)] = Start
	}
	for _, word := range stop {
		k.wishes[fold(word)] = Stop
	}
	delete(k.wishes, "")
	return k
}

// longestKeyword bounds the texts that are looked at, in octets.
const longestKeyword = 100

// Wish returns what a text asks for: it must be a keyword and nothing else, apart from case,
// spaces and punctuation around it, accents of Arabic vowels and the forms of alef. "Please
// do not stop" asks for nothing.
func (k *Keywords) Wish(text string) Wish {
	if len(text) > longestKeyword {
		return NoWish
	}
	return k.wishes[fold(text)]
}

// fold brings a text into the form in which keywords are compared.
func fold(text string) string {
	var b strings.Builder
	space := false
	for _, r := range text {
		switch {
		case r == 'İ', r == 'ı': // the Turkish i, which lower case would give an accent of its own
			r = 'i'
		case r == 'أ', r == 'إ', r == 'آ', r == 'ٱ':
			r = 'ا'
		case r == 'ى':
			r = 'ي'
		case r == 'ة':
			r = 'ه'
		case r == 'ک': // of Farsi and Urdu keyboards
			r = 'ك'
		case r == 'ی':
			r = 'ي'
		case r == 'ـ', unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r): // tatweel, vowels, direction marks
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
