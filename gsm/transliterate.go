package gsm

import "strings"

// typographic pairs what word processors put in with what everybody reads it as.
var typographic = strings.NewReplacer(
	"\u2018", "'", "\u2019", "'", "\u201A", "'", "\u201B", "'",
	"\u201C", `"`, "\u201D", `"`, "\u201E", `"`, "\u201F", `"`, "\u00AB", `"`, "\u00BB", `"`,
	"\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u2015", "-", "\u2212", "-",
	"\u2026", "...", "\u2022", "*",
	"\u00A0", " ", "\u2007", " ", "\u2009", " ", "\u202F", " ",
	"\u200B", "", "\u2060", "", "\uFEFF", "",
)

// Transliterate replaces typographic quotes, dashes, dots and spaces, which often are
// all that keeps a text out of GSM7, by plain ones. It is for callers that were asked
// to: changed must be told to whoever sent the text.
func Transliterate(text string) (plain string, changed bool) {
	plain = typographic.Replace(text)
	return plain, plain != text
}
