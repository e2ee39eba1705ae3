package api_test

import (
	"strings"
	"sync"
	"testing"

	"protei-bulk/bulk/intake"
)

func TestIdempotencyKey(t *testing.T) {
	p := start(t, options{})
	key := []string{"Idempotency-Key", "order-17"}
	first := p.do(t, "POST", "/api/v1/messages", hello, key...)
	first.want(t, 201, "")
	again := p.do(t, "POST", "/api/v1/messages", hello, key...)
	again.want(t, 201, "")
	if again.Body != first.Body || again.Header.Get("Location") != first.Header.Get("Location") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the repeat is answered with %s", again.Body)
	}
	p.do(t, "POST", "/api/v1/messages", strings.Replace(hello, "hello", "other", 1), key...).want(t, 422, "idempotency_key_reused")
	p.do(t, "POST", "/api/v1/messages", hello, "Idempotency-Key", strings.Repeat("k", 256)).want(t, 400, "invalid_parameter")
	p.do(t, "POST", "/api/v1/messages", hello, "Idempotency-Key", "order-17", "X-API-Key", p.admin).want(t, 201, "") // another account's key
	if n := len(p.sink.Messages()); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	bulk := `{"messages":[` + hello + `]}`
	b1, b2 := p.do(t, "POST", "/api/v1/messages/bulk", bulk, key...), p.do(t, "POST", "/api/v1/messages/bulk", bulk, key...)
	if b1.Status != 201 || b1.Body != b2.Body {
		t.Errorf("bulk: %s and %s", b1.Body, b2.Body)
	}
}

func TestIdempotencyKeyIsFreeAfterAFailure(t *testing.T) {
	p := start(t, options{})
	p.sink.Fail(intake.ErrBusy)
	p.do(t, "POST", "/api/v1/messages", hello, "Idempotency-Key", "a").want(t, 503, "queue_full")
	p.sink.Fail(nil)
	p.do(t, "POST", "/api/v1/messages", hello, "Idempotency-Key", "a").want(t, 201, "")
}

func TestIdempotencyKeyAtTheSameTime(t *testing.T) {
	p := start(t, options{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := p.do(t, "POST", "/api/v1/messages", hello, "Idempotency-Key", "a"); a.Status != 201 && a.JSON["code"] != "idempotency_in_progress" {
				t.Errorf("status %d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	if n := len(p.sink.Messages()); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestIdempotencyKeyOfARequestInPart(t *testing.T) {
	p := start(t, options{})
	key := []string{"Idempotency-Key", "lines", "Content-Type", "application/x-ndjson"}
	body := hello + "\n" + `{"to":"x","text":"a"}` + "\n" + hello
	first, again := p.do(t, "POST", "/api/v1/messages/bulk", body, key...), p.do(t, "POST", "/api/v1/messages/bulk", body, key...)
	first.want(t, 201, "")
	if first.JSON["accepted"] != 2.0 || first.JSON["rejected"] != 1.0 || again.Status != 201 || again.Body != first.Body {
		t.Errorf("answers %s and %s", first.Body, again.Body)
	}
	if n := len(p.sink.Messages()); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	refused := `{"messages":[{"to":"x","text":"a"}]}`
	for range 2 { // nothing was accepted: there is nothing to repeat
		p.do(t, "POST", "/api/v1/messages/bulk", refused, "Idempotency-Key", "none").want(t, 422, "all_rejected")
	}
	p.do(t, "POST", "/api/v1/messages/bulk", `{"messages":[`+hello+`]}`, "Idempotency-Key", "none").want(t, 201, "")
}

func TestIdempotencyKeyOfAnotherNodeMeanwhile(t *testing.T) {
	p := start(t, options{})
	first := p.do(t, "POST", "/api/v1/messages", hello)
	p.sink.Overtake(first.Body, intake.ErrRepeated)
	a := p.do(t, "POST", "/api/v1/messages", hello, "Idempotency-Key", "a")
	a.want(t, 201, "")
	if a.Body != first.Body || a.Header.Get("Idempotency-Replayed") != "true" || a.Header.Get("Location") != "" {
		t.Errorf("answer %s with %v, want that of the node that was first", a.Body, a.Header)
	}
	if n := len(p.sink.Messages()); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestBalanceSpentByAnotherNodeMeanwhile(t *testing.T) {
	p := start(t, options{})
	p.sink.Fail(intake.ErrNoMoney)
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 402, "insufficient_balance")
}
