package suppression_test

import (
	"strings"
	"testing"

	"protei-bulk/bulk/contact/suppression"
)

func TestKeywords(t *testing.T) {
	k := suppression.NewKeywords(suppression.DefaultStop(), suppression.DefaultStart())
	for text, want := range map[string]suppression.Wish{
		"STOP": suppression.Stop, "stop": suppression.Stop, " Stop!\r\n": suppression.Stop, "\"STOP\".": suppression.Stop, "S T O P": suppression.NoWish,
		"Please stop": suppression.NoWish, "stop it": suppression.NoWish, "stopp": suppression.Stop, "Arrêt": suppression.Stop, "ARRE\u0302T": suppression.Stop,
		"iptal": suppression.Stop, "İPTAL": suppression.Stop, "IPTAL": suppression.Stop, "стоп": suppression.Stop,
		"إيقاف": suppression.Stop, "ايقاف": suppression.Stop, "أيقاف": suppression.Stop, "إِيقَاف": suppression.Stop, "إيقـــاف": suppression.Stop, "\u200fإيقاف.": suppression.Stop,
		"إلغاء الاشتراك": suppression.Stop, "الغاء   الإشتراك!": suppression.Stop, "الغاء": suppression.Stop, "قف": suppression.Stop, "لا توقف": suppression.NoWish,
		"START": suppression.Start, "ابدأ": suppression.Start, "إبدا": suppression.Start, "اشتراك": suppression.Start,
		"": suppression.NoWish, " ": suppression.NoWish, "...": suppression.NoWish, strings.Repeat("STOP ", 1000): suppression.NoWish, "\xff\xfe": suppression.NoWish,
	} {
		if got := k.Wish(text); got != want {
			t.Errorf("%q asks for %d, want %d", text, got, want)
		}
	}
	own := suppression.NewKeywords([]string{"NEIN DANKE", "START"}, []string{"START", ""})
	if own.Wish("nein, danke") != suppression.Stop || own.Wish("START") != suppression.Stop || own.Wish("STOP") != suppression.NoWish {
		t.Error("own words")
	}
}
