package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is a refusal: the problem document (RFC 9457) of an answer that is not 2xx.
type Error struct {
	Status int    `json:"status"` // of HTTP
	Code   string `json:"code"`   // what is wrong, stable; "" when the answer is no problem document
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"` // for people
	// RequestID is what the platform's log has of the request.
	RequestID string  `json:"request_id"`
	Faults    []Fault `json:"errors,omitempty"`
	// Of a bulk request that was refused as a whole: its messages.
	Total    int `json:"total,omitempty"`
	Accepted int `json:"accepted,omitempty"`
	Rejected int `json:"rejected,omitempty"`

	// RetryAfter is when the platform wants to be asked again; 0: it does not say.
	RetryAfter time.Duration `json:"-"`
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Pointer string `json:"pointer"` // into the body (RFC 6901), or ?name for a query parameter
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Error implements error.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Detail
	}
	return fmt.Sprintf("%s (%d %s)", e.Detail, e.Status, e.Code)
}

// At returns the fault at a pointer, such as /to, or nil.
func (e *Error) At(pointer string) *Fault {
	for i := range e.Faults {
		if e.Faults[i].Pointer == pointer {
			return &e.Faults[i]
		}
	}
	return nil
}

// Code returns the code of the *Error in err, or "".
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// refused makes the Error of an answer.
func refused(resp *http.Response, text []byte) *Error {
	e := &Error{}
	if json.Unmarshal(text, e) != nil || e.Code == "" {
		*e = Error{Detail: fmt.Sprintf("the server answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))}
		if to := resp.Header.Get("Location"); resp.StatusCode < 400 && to != "" {
			e.Detail += ", that it is at " + to
		}
	}
	e.Status, e.RetryAfter = resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"))
	return e
}

// retryAfter reads seconds or an HTTP date.
func retryAfter(text string) time.Duration {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
