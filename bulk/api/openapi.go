package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// base is what all calls begin with.
const base = "/api/v1"

// described is the OpenAPI document of the calls that are registered, ready to be sent.
type described struct {
	text []byte
	etag string
}

// describe makes the document. It has the calls of this node and no others, so that a client
// sees what it can call.
func (a *API) describe() (*described, error) {
	known, types := operations(), newSchemas()
	paths := map[string]any{}
	for _, e := range a.endpoints {
		if !strings.HasPrefix(e.path, base) {
			continue // profiles are no part of the API
		}
		item := schema{}
		for method := range e.methods {
			if op, ok := known[method+" "+strings.TrimPrefix(e.path, base)]; ok && method != http.MethodHead {
				item[strings.ToLower(method)] = op.describe(e, method, types)
			}
		}
		paths[e.path] = item
	}
	types.components["Problem"] = types.of(problemAnswer(), false)
	text, err := json.Marshal(schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Protei_Bulk", "version": a.opts.Version,
			"description": "Bulk messaging over REST. Errors are problem documents (RFC 9457); their code says what is wrong. Members that are not known are left out and named in warnings.",
		},
		"servers": []any{schema{"url": "/"}},
		"paths":   paths,
		"components": schema{
			"schemas": types.components,
			"securitySchemes": schema{
				"key":     schema{"type": "apiKey", "in": "header", "name": "X-API-Key"},
				"bearer":  schema{"type": "http", "scheme": "bearer", "description": "an API key"},
				"basic":   schema{"type": "http", "scheme": "basic", "description": "system_id and password"},
				"session": schema{"type": "apiKey", "in": "cookie", "name": sessionCookie, "description": "of POST /session; changes also need X-CSRF-Token"},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return &described{text, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}, nil
}

// problemAnswer is what problem.append writes.
func problemAnswer() shape {
	return shape{
		"type": "", "title": "", "status": 0, "detail": "", "code": "", "request_id": "", "total?": 0, "accepted?": 0, "rejected?": 0,
		"errors?": []shape{{"pointer": "", "code": "", "detail": ""}},
	}
}

func (op *operation) describe(e *endpoint, method string, types *schemas) schema {
	section, _, _ := strings.Cut(strings.TrimPrefix(e.path, base+"/"), "/")
	made := schema{"operationId": op.id, "summary": op.summary, "tags": []string{section}, "responses": op.responses(e, method, types)}
	if parameters := op.parameters(e.path, types); len(parameters) > 0 {
		made["parameters"] = parameters
	}
	if e.access != anybody {
		made["security"] = []any{schema{"key": []string{}}, schema{"bearer": []string{}}, schema{"basic": []string{}}, schema{"session": []string{}}}
		if e.access == signedIn {
			made["security"] = []any{schema{"session": []string{}}}
		}
		if names := e.scope(method).Names(); len(names) > 0 {
			made["x-scopes"] = names
		}
	}
	if op.body != nil || len(op.files) > 0 {
		content := schema{}
		for _, kind := range op.files {
			content[kind] = schema{}
		}
		if op.body != nil {
			media := schema{"schema": types.of(op.body, true)}
			if op.example != "" {
				media["example"] = json.RawMessage(op.example)
			}
			content["application/json"] = media
		}
		made["requestBody"] = schema{"required": !op.optional, "content": content}
	}
	return made
}

func (op *operation) parameters(path string, types *schemas) (all []schema) {
	for _, element := range strings.Split(path, "/") {
		if name := strings.Trim(element, "{}"); name != element {
			all = append(all, schema{"name": name, "in": "path", "required": true, "schema": schema{"type": "string"}})
		}
	}
	for _, p := range op.query {
		all = append(all, schema{"name": p.name, "in": "query", "description": p.about, "schema": types.of(p.like, true)})
	}
	if op.once {
		all = append(all, schema{
			"name": "Idempotency-Key", "in": "header", "schema": schema{"type": "string", "maxLength": maxIdempotencyKey},
			"description": "the same key and body within 24 hours gets the first answer again: nothing is sent twice",
		})
	}
	if op.traced {
		all = append(all, schema{
			"name": "traceparent", "in": "header", "schema": schema{"type": "string"},
			"description": "W3C Trace Context: with its sampled flag set the messages' traces are in the caller's",
		})
	}
	return all
}

func (op *operation) responses(e *endpoint, method string, types *schemas) schema {
	success := schema{"description": "done"}
	switch {
	case op.media != "":
		success["content"] = schema{op.media: schema{}}
	case op.answer != nil:
		success["content"] = schema{"application/json": schema{"schema": types.of(op.answer, false)}}
	}
	all := schema{strconv.Itoa(max(op.status, 200)): success}
	if op.repeatable() {
		all["200"] = schema{"description": "the reference was booked before: nothing moved", "content": success["content"]}
	}
	if op.ranges {
		all["206"] = schema{"description": "the octets that Range asks for", "content": success["content"]}
		all["416"] = schema{"description": "there are no such octets"}
	}
	for status, codes := range op.problems(e, method) {
		all[strconv.Itoa(status)] = schema{
			"description": problems[codes[0]].title, "x-codes": codes,
			"content": schema{"application/problem+json": schema{"schema": schema{"$ref": "#/components/schemas/Problem"}}},
		}
	}
	return all
}

// repeatable reports whether the call answers 200 in place of 201 to what was done before.
func (op *operation) repeatable() bool {
	_, ok := op.answer.(movementView)
	return ok
}

// problems returns the codes of a call's problems by status: its own, and those of its kind.
func (op *operation) problems(e *endpoint, method string) map[int][]string {
	codes := append([]string{"internal_error"}, op.codes...)
	if method != http.MethodGet {
		codes = append(codes, "disk_full")
	}
	if e.access != anybody {
		codes = append(codes, "unauthorized", "invalid_credentials", "key_expired", "address_not_allowed", "missing_scope", "account_disabled", "forbidden", "overloaded", "too_many_sign_ins",
			"session_ended", "csrf", "role_forbidden", "password_change_needed")
	}
	if strings.Contains(e.path, "{") {
		codes = append(codes, "not_found")
	}
	if len(op.query) > 0 || op.once {
		codes = append(codes, "invalid_parameter")
	}
	if op.body != nil {
		codes = append(codes, "malformed_json", "empty_body", "invalid_utf8", "incomplete_body", "request_timeout", "body_too_large", "unsupported_media_type", "validation_failed")
	}
	byStatus := map[int][]string{}
	slices.Sort(codes)
	for _, code := range slices.Compact(codes) {
		status := problems[code].status
		byStatus[status] = append(byStatus[status], code)
	}
	return byStatus
}

// openAPI is GET /api/v1/openapi.json.
func (c *call) openAPI() error {
	d, err := c.api.described()
	if err != nil {
		return err
	}
	h := c.w.Header()
	h["Etag"], h["Cache-Control"] = []string{d.etag}, []string{"no-cache"} // kept, and asked for again
	if strings.Contains(c.r.Header.Get("If-None-Match"), d.etag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"], h["Content-Length"] = typeJSON, []string{strconv.Itoa(len(d.text))}
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(d.text) // the client may be gone; there is nobody else to tell
	}
	return nil
}
