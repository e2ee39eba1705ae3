package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"protei-bulk/client"
)

// stub stands for the platform, so that the example needs none: `protei-bulk serve --dev` is one.
func stub() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"message_id":"3441231da9c00000","status":"PENDING","parts":1,"encoding":"GSM7","submitted_at":"2030-01-31T09:00:00Z"}`)
			return
		}
		fmt.Fprint(w, `{"messages":[{"message_id":"3441231da9c00000","status":"DELIVERED","to":"+15550100200"}],"next_cursor":null}`)
	}))
}

func Example() {
	platform := stub()
	defer platform.Close()

	c, err := client.New(client.Options{URL: platform.URL, APIKey: "dev-api-key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	sent, err := c.SendMessage(ctx, client.NewMessage{From: "SHOP", To: "+15550100200", Text: "Your code is 1234"})
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		for _, f := range refused.Faults {
			fmt.Println(f.Pointer, f.Detail)
		}
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	fmt.Println(sent.ID, sent.Status)

	for m, err := range c.Messages(ctx, client.MessageQuery{Status: client.Delivered}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.ID, m.Status, m.To)
	}
	// Output:
	// 3441231da9c00000 PENDING
	// 3441231da9c00000 DELIVERED +15550100200
}

func ExampleVerifier() {
	v, err := client.NewVerifier("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	http.HandleFunc("POST /receipts", func(w http.ResponseWriter, r *http.Request) {
		d, err := v.Read(r)
		if err != nil {
			http.Error(w, "not from the platform", http.StatusBadRequest)
			return
		}
		for _, e := range d.Events {
			fmt.Println(e.MessageID, e.Status) // keep it, then answer
		}
	})
}
