package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"protei-bulk/client"
)

// document is what the tests need of an OpenAPI document.
type document struct {
	Paths      map[string]map[string]*operation
	Components struct{ Schemas map[string]*schema }
}

type operation struct {
	OperationID string
	Parameters  []struct{ Name, In string }
	RequestBody *struct {
		Content map[string]struct{ Schema *schema }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema *schema }
	}
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any    // a name, or names
	Format               string
	Enum                 []string
	AnyOf                []*schema
	Items                *schema
	Properties           map[string]*schema
	AdditionalProperties *schema
}

// plain follows references and leaves null out.
func (d *document) plain(s *schema) *schema {
	for s != nil && (s.Ref != "" || len(s.AnyOf) > 0) {
		if s.Ref != "" {
			s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		} else {
			s = s.AnyOf[0]
		}
	}
	return s
}

func (s *schema) kind() string {
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		return fmt.Sprint(t[0])
	}
	return ""
}

// find returns the operation of a request.
func (d *document) find(method, path string) *operation {
	for pattern, item := range d.Paths {
		expr := "^" + regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(pattern, "[^/]+") + "$"
		if op := item[strings.ToLower(method)]; op != nil && regexp.MustCompile(expr).MatchString(path) && !d.literal(pattern, path) {
			return op
		}
	}
	return nil
}

// literal reports whether path has a pattern of its own, which goes before one with variables.
func (d *document) literal(pattern, path string) bool { return pattern != path && d.Paths[path] != nil }

var momentNames = regexp.MustCompile(`(_at|_until|^since|^until|^as_of|^time|^at)$`)

// sample makes a value in which every member is there and none is zero.
func (d *document) sample(name string, s *schema) any {
	s = d.plain(s)
	switch {
	case s == nil:
		return "x"
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Format == "date-time", s.kind() == "string" && momentNames.MatchString(name):
		return "2030-01-31T09:00:00Z"
	}
	switch s.kind() {
	case "string":
		return "x"
	case "integer":
		return 7
	case "number":
		return 1.5
	case "boolean":
		return true
	case "array":
		return []any{d.sample(name, s.Items)}
	}
	all := map[string]any{}
	for member, of := range s.Properties {
		all[member] = d.sample(member, of)
	}
	if s.AdditionalProperties != nil {
		all["K"] = d.sample("", s.AdditionalProperties)
	} else if s.kind() == "object" && s.Properties == nil {
		all["K"] = 7 // a map that the document does not describe further
	}
	return all
}

// recorder is a platform that answers each call with a sample of what is documented.
type recorder struct {
	doc   *document
	req   *http.Request
	op    *operation
	body  []byte
	reply any
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.req, r.op, r.body, r.reply = req, r.doc.find(req.Method, req.URL.Path), nil, nil
	if req.Body != nil {
		var err error
		if r.body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Idempotency-Replayed": {"true"}}, Request: req, Body: http.NoBody}
	if r.op == nil {
		return resp, nil
	}
	for status, answer := range r.op.Responses {
		if content, ok := answer.Content["application/json"]; ok && status[0] == '2' {
			r.reply = r.doc.sample("", content.Schema)
			text, err := json.Marshal(r.reply)
			if err != nil {
				return nil, err
			}
			resp.Body = io.NopCloser(bytes.NewReader(text))
		}
	}
	return resp, nil
}

// full fills a value so that no member is zero.
func full[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem())
	return v
}

func fill(v reflect.Value) {
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)
		return
	case *json.Number:
		*at = "1.5"
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element)
		v.SetMapIndex(reflect.ValueOf("K"), element)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		if v.CanUint() {
			v.SetUint(7)
		} else {
			v.SetInt(7)
		}
	}
}

// conformance is what a method of Client sends and gets.
type conformance struct {
	operation string // of the document
	call      func(context.Context, *client.Client) (any, error)
	unsent    string // members of the body and parameters that the client leaves out on purpose
	absent    string // fields that this answer does not have
}

const id = "3441231da9c00000"

// calls are all methods of Client that make one call, by name; what stands behind a blank tells
// the calls of one method apart.
var calls = map[string]conformance{
	"SendMessage": {operation: "sendMessage", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.SendMessage(ctx, full[client.NewMessage](), client.IdempotencyKey("k"), client.TraceParent("00-"))
	}},
	"SendBulk": {operation: "sendBulk", call: func(ctx context.Context, c *client.Client) (any, error) {
		b := full[client.Bulk]()
		b.To = "" // each message has its own
		return c.SendBulk(ctx, b, client.TraceParent("00-"))
	}},
	"Message": {operation: "getMessage", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Message(ctx, id) }},
	"MessagePage": {operation: "listMessages", unsent: "page", absent: "Segments", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.MessagePage(ctx, full[client.MessageQuery]())
	}},
	"Messages": {operation: "listMessages", unsent: "page", call: func(ctx context.Context, c *client.Client) (any, error) {
		return first(c.Messages(ctx, full[client.MessageQuery]()))
	}},
	"CancelMessage":  {operation: "cancelMessage", call: func(ctx context.Context, c *client.Client) (any, error) { return c.CancelMessage(ctx, id) }},
	"ReleaseMessage": {operation: "releaseMessage", call: func(ctx context.Context, c *client.Client) (any, error) { return c.ReleaseMessage(ctx, id) }},
	"Statistics":     {operation: "getStatistics", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Statistics(ctx) }},

	"CreateCampaign": {operation: "createCampaign", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateCampaign(ctx, full[client.NewCampaign]())
	}},
	"AddRecipients": {operation: "addRecipients", unsent: "list to header delimiter charset sheet map duplicates name", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AddRecipients(ctx, id, full[[]client.Recipient]())
	}},
	"AddList": {operation: "addRecipients", unsent: "recipients to header delimiter charset sheet map duplicates name", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AddList(ctx, id, "vip")
	}},
	"UploadRecipients": {operation: "addRecipients", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UploadRecipients(ctx, id, csv(), strings.NewReader("+4915112345678\n"))
	}},
	"CampaignErrors": {operation: "getCampaignErrors", call: func(ctx context.Context, c *client.Client) (any, error) {
		return closed(c.CampaignErrors(ctx, id))
	}},
	"Campaign": {operation: "getCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Campaign(ctx, id) }},
	"CampaignPage": {operation: "listCampaigns", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CampaignPage(ctx, full[client.CampaignQuery]())
	}},
	"Campaigns": {operation: "listCampaigns", call: func(ctx context.Context, c *client.Client) (any, error) {
		return first(c.Campaigns(ctx, full[client.CampaignQuery]()))
	}},
	"StartCampaign":   {operation: "startCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.StartCampaign(ctx, id) }},
	"PauseCampaign":   {operation: "pauseCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.PauseCampaign(ctx, id) }},
	"ResumeCampaign":  {operation: "resumeCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.ResumeCampaign(ctx, id) }},
	"CancelCampaign":  {operation: "cancelCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.CancelCampaign(ctx, id) }},
	"ApproveCampaign": {operation: "approveCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.ApproveCampaign(ctx, id) }},

	"Connectors": {operation: "listConnectors", call: func(ctx context.Context, c *client.Client) (any, error) {
		return wrapped("connectors")(c.Connectors(ctx))
	}},
	"Connector":      {operation: "getConnector", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Connector(ctx, "op1") }},
	"StartConnector": {operation: "startConnector", call: func(ctx context.Context, c *client.Client) (any, error) { return c.StartConnector(ctx, "op1") }},
	"PauseConnector": {operation: "pauseConnector", call: func(ctx context.Context, c *client.Client) (any, error) { return c.PauseConnector(ctx, "op1") }},
	"StopConnector":  {operation: "stopConnector", call: func(ctx context.Context, c *client.Client) (any, error) { return c.StopConnector(ctx, "op1") }},
	"Health":         {operation: "getHealth", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Health(ctx) }},
	"Ready":          {operation: "getReady", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.Ready(ctx) }},

	"Accounts": {operation: "listAccounts", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("accounts")(c.Accounts(ctx)) }},
	"Account":  {operation: "getAccount", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Account(ctx, client.Me) }},
	"CreateAccount": {operation: "createAccount", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateAccount(ctx, full[client.AccountSettings]())
	}},
	"UpdateAccount": {operation: "updateAccount", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateAccount(ctx, 7, full[client.AccountSettings]())
	}},
	"Balance": {operation: "getBalance", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Balance(ctx, 7) }},
	"TopUp": {operation: "topUp", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.TopUp(ctx, 7, full[client.Payment]())
	}},

	"Webhook": {operation: "getWebhook", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Webhook(ctx) }},
	"SetWebhook": {operation: "setWebhook", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.SetWebhook(ctx, full[client.WebhookChange]())
	}},
	"WebhookEndpoints": {operation: "listWebhookEndpoints", call: func(ctx context.Context, c *client.Client) (any, error) {
		return wrapped("endpoints")(c.WebhookEndpoints(ctx))
	}},
	"ReplayWebhooks": {operation: "replayWebhooks", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.ReplayWebhooks(ctx, full[client.Replay]())
	}},

	"AdjustBalance": {operation: "adjustBalance", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AdjustBalance(ctx, 7, full[client.Payment]())
	}},
	"Transfer": {operation: "transferMoney", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.Transfer(ctx, 7, full[client.Payment]())
	}},
	"MovementPage": {operation: "listMovements", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.MovementPage(ctx, 7, full[client.Page]())
	}},
	"Movements": {operation: "listMovements", unsent: "cursor", call: func(ctx context.Context, c *client.Client) (any, error) { return first(c.Movements(ctx, 7)) }},
	"Usage":     {operation: "getUsage", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Usage(ctx, client.Me) }},
	"Keys":      {operation: "listKeys", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("keys")(c.Keys(ctx, 7)) }},
	"CreateKey": {operation: "createKey", unsent: "label", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateKey(ctx, 7, full[client.NewKey]())
	}},
	"RevokeKey":   {operation: "revokeKey", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.RevokeKey(ctx, 7, "ak_1") }},
	"SetPassword": {operation: "setPassword", call: func(ctx context.Context, c *client.Client) (any, error) { return c.SetPassword(ctx, 7, "secret") }},

	"Alerts":     {operation: "listAlerts", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Alerts(ctx, 7) }},
	"AlertRules": {operation: "listAlertRules", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("rules")(c.AlertRules(ctx)) }},
	"UpdateAlertRule": {operation: "updateAlertRule", unsent: "below meaning name", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateAlertRule(ctx, "queue_long", full[client.AlertRuleChange]())
	}},
	"AlertChannels": {operation: "listAlertChannels", call: func(ctx context.Context, c *client.Client) (any, error) {
		return wrapped("channels")(c.AlertChannels(ctx))
	}},
	"AlertChannel": {operation: "getAlertChannel", call: func(ctx context.Context, c *client.Client) (any, error) { return c.AlertChannel(ctx, "ops") }},
	"PutAlertChannel": {operation: "putAlertChannel", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.PutAlertChannel(ctx, "ops", full[client.NewAlertChannel]())
	}},
	"DeleteAlertChannel": {operation: "deleteAlertChannel", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteAlertChannel(ctx, "ops") }},
	"TestAlertChannel":   {operation: "testAlertChannel", call: func(ctx context.Context, c *client.Client) (any, error) { return c.TestAlertChannel(ctx, "ops") }},
	"AuditPage": {operation: "listAudit", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AuditPage(ctx, full[client.AuditQuery]())
	}},
	"Audit": {operation: "listAudit", call: func(ctx context.Context, c *client.Client) (any, error) {
		return first(c.Audit(ctx, full[client.AuditQuery]()))
	}},

	"NumberPage of blacklist": {operation: "listBlacklist", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.NumberPage(ctx, client.Blacklist, full[client.NumberQuery]())
	}},
	"Numbers of blacklist": {operation: "listBlacklist", call: func(ctx context.Context, c *client.Client) (any, error) {
		return first(c.Numbers(ctx, client.Blacklist, full[client.NumberQuery]()))
	}},
	"AddNumbers to blacklist": {operation: "addToBlacklist", unsent: "sender", absent: "Removed", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AddNumbers(ctx, client.Blacklist, full[client.NumberScope](), []string{"15550100200"})
	}},
	"RemoveNumbers from blacklist": {operation: "removeFromBlacklist", unsent: "sender", absent: "Added", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.RemoveNumbers(ctx, client.Blacklist, full[client.NumberScope](), []string{"15550100200"})
	}},
	"RemoveNumber from blacklist": {operation: "deleteFromBlacklist", call: func(ctx context.Context, c *client.Client) (any, error) {
		return nil, c.RemoveNumber(ctx, client.Blacklist, full[client.NumberScope](), "15550100200")
	}},
	"NumberPage of opt-outs": {operation: "listOptOuts", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.NumberPage(ctx, client.OptOuts, full[client.NumberQuery]())
	}},
	"Numbers of opt-outs": {operation: "listOptOuts", call: func(ctx context.Context, c *client.Client) (any, error) {
		return first(c.Numbers(ctx, client.OptOuts, full[client.NumberQuery]()))
	}},
	"AddNumbers to opt-outs": {operation: "addToOptOuts", unsent: "sender", absent: "Removed", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AddNumbers(ctx, client.OptOuts, full[client.NumberScope](), []string{"15550100200"})
	}},
	"RemoveNumbers from opt-outs": {operation: "removeFromOptOuts", unsent: "sender", absent: "Added", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.RemoveNumbers(ctx, client.OptOuts, full[client.NumberScope](), []string{"15550100200"})
	}},
	"RemoveNumber from opt-outs": {operation: "deleteFromOptOuts", call: func(ctx context.Context, c *client.Client) (any, error) {
		return nil, c.RemoveNumber(ctx, client.OptOuts, full[client.NumberScope](), "15550100200")
	}},

	"InboundPage": {operation: "listInbound", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.InboundPage(ctx, full[client.InboundQuery]())
	}},
	"Inbound": {operation: "listInbound", call: func(ctx context.Context, c *client.Client) (any, error) {
		return first(c.Inbound(ctx, full[client.InboundQuery]()))
	}},
	"InboundMessage": {operation: "getInbound", call: func(ctx context.Context, c *client.Client) (any, error) { return c.InboundMessage(ctx, id) }},
	"ReplayInbound":  {operation: "replayInbound", call: func(ctx context.Context, c *client.Client) (any, error) { return c.ReplayInbound(ctx, id) }},
	"InboundRoutes": {operation: "listInboundRoutes", call: func(ctx context.Context, c *client.Client) (any, error) {
		return wrapped("routes")(c.InboundRoutes(ctx))
	}},
	"InboundRoute": {operation: "getInboundRoute", call: func(ctx context.Context, c *client.Client) (any, error) { return c.InboundRoute(ctx, id) }},
	"CreateInboundRoute": {operation: "createInboundRoute", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateInboundRoute(ctx, full[client.InboundRouteSettings]())
	}},
	"UpdateInboundRoute": {operation: "updateInboundRoute", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateInboundRoute(ctx, id, full[client.InboundRouteSettings]())
	}},
	"DeleteInboundRoute": {operation: "deleteInboundRoute", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteInboundRoute(ctx, id) }},
	"TestInboundRoutes": {operation: "testInboundRoutes", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.TestInboundRoutes(ctx, "15550100200", "1234", "STOP")
	}},

	"Lists":      {operation: "listLists", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("lists")(c.Lists(ctx)) }},
	"List":       {operation: "getList", call: func(ctx context.Context, c *client.Client) (any, error) { return c.List(ctx, "vip") }},
	"CreateList": {operation: "createList", call: func(ctx context.Context, c *client.Client) (any, error) { return c.CreateList(ctx, "vip") }},
	"DeleteList": {operation: "deleteList", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteList(ctx, "vip") }},
	"MemberPage": {operation: "listMembers", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.MemberPage(ctx, "vip", full[client.After]())
	}},
	"AddMembers": {operation: "addMembers", unsent: "list to header delimiter charset sheet map duplicates name", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.AddMembers(ctx, "vip", full[[]client.Recipient]())
	}},
	"CopyMembers": {operation: "addMembers", unsent: "recipients to header delimiter charset sheet map duplicates name", call: func(ctx context.Context, c *client.Client) (any, error) { return c.CopyMembers(ctx, "vip", "others") }},
	"UploadMembers": {operation: "addMembers", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UploadMembers(ctx, "vip", csv(), strings.NewReader("+4915112345678\n"))
	}},
	"ListErrors": {operation: "getListErrors", call: func(ctx context.Context, c *client.Client) (any, error) { return closed(c.ListErrors(ctx, "vip")) }},

	"UpdateCampaign": {operation: "updateCampaign", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateCampaign(ctx, id, full[client.CampaignChange]())
	}},
	"DeleteCampaign": {operation: "deleteCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteCampaign(ctx, id) }},
	"RejectCampaign": {operation: "rejectCampaign", call: func(ctx context.Context, c *client.Client) (any, error) { return c.RejectCampaign(ctx, id, "too long") }},
	"RecipientPage": {operation: "listRecipients", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.RecipientPage(ctx, id, full[client.After]())
	}},
	"ClearRecipients": {operation: "clearRecipients", call: func(ctx context.Context, c *client.Client) (any, error) { return c.ClearRecipients(ctx, id) }},
	"PreviewCampaign": {operation: "previewCampaign", call: func(ctx context.Context, c *client.Client) (any, error) {
		return wrapped("messages")(c.PreviewCampaign(ctx, id, 7))
	}},
	"TestCampaign": {operation: "testCampaign", absent: "Replayed", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.TestCampaign(ctx, id, "+15550100200", map[string]string{"name": "Ada"}, client.TraceParent("00-"))
	}},

	"CreateConnector": {operation: "createConnector", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateConnector(ctx, full[client.ConnectorSettings]())
	}},
	"UpdateConnector": {operation: "updateConnector", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateConnector(ctx, "op1", full[client.ConnectorSettings]())
	}},
	"DeleteConnector": {operation: "deleteConnector", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteConnector(ctx, "op1") }},
	"MoveConnector":   {operation: "moveConnector", call: func(ctx context.Context, c *client.Client) (any, error) { return c.MoveConnector(ctx, "op1", "op2") }},
	"TestConnector": {operation: "testConnector", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.TestConnector(ctx, "op1", full[client.ConnectorTrial]())
	}},

	"Routes": {operation: "listRoutes", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Routes(ctx) }},
	"Route":  {operation: "getRoute", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Route(ctx, "otp") }},
	"CreateRoute": {operation: "createRoute", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateRoute(ctx, full[client.RouteSettings]())
	}},
	"UpdateRoute": {operation: "updateRoute", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateRoute(ctx, "otp", full[client.RouteSettings]())
	}},
	"DeleteRoute": {operation: "deleteRoute", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteRoute(ctx, "otp") }},
	"ReplaceRoutes": {operation: "replaceRoutes", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.ReplaceRoutes(ctx, full[[]client.Route](), true)
	}},
	"TestRoute": {operation: "testRoute", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.TestRoute(ctx, full[client.RouteTrial]())
	}},

	"Live":        {operation: "getLive", call: func(ctx context.Context, c *client.Client) (any, error) { return c.Live(ctx) }},
	"LiveHistory": {operation: "getLiveHistory", call: func(ctx context.Context, c *client.Client) (any, error) { return c.LiveHistory(ctx) }},
	"Queues":      {operation: "listQueues", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("queues")(c.Queues(ctx)) }},
	"DeadHintPage": {operation: "listDeadHints", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.DeadHintPage(ctx, full[client.Page]())
	}},
	"ReplayDeadHints": {operation: "replayDeadHints", absent: "Purged", call: func(ctx context.Context, c *client.Client) (any, error) { return c.ReplayDeadHints(ctx) }},
	"PurgeDeadHints":  {operation: "purgeDeadHints", absent: "Replayed", call: func(ctx context.Context, c *client.Client) (any, error) { return c.PurgeDeadHints(ctx) }},
	"Nodes":           {operation: "listNodes", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("nodes")(c.Nodes(ctx)) }},
	"System":          {operation: "getSystem", call: func(ctx context.Context, c *client.Client) (any, error) { return c.System(ctx) }},
	"SetLogLevel":     {operation: "setLogLevel", call: func(ctx context.Context, c *client.Client) (any, error) { return c.SetLogLevel(ctx, "debug") }},
	"Backup":          {operation: "makeBackup", call: func(ctx context.Context, c *client.Client) (any, error) { return closed(c.Backup(ctx)) }},
	"CDRPage":         {operation: "listCDR", call: func(ctx context.Context, c *client.Client) (any, error) { return c.CDRPage(ctx, full[client.Page]()) }},
	"CDR":             {operation: "getCDR", call: func(ctx context.Context, c *client.Client) (any, error) { return closed(c.CDR(ctx, "cdr-1.csv")) }},

	"Users": {operation: "listUsers", call: func(ctx context.Context, c *client.Client) (any, error) { return wrapped("users")(c.Users(ctx)) }},
	"User":  {operation: "getUser", call: func(ctx context.Context, c *client.Client) (any, error) { return c.User(ctx, "ada") }},
	"CreateUser": {operation: "createUser", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.CreateUser(ctx, full[client.NewUser]())
	}},
	"UpdateUser": {operation: "updateUser", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.UpdateUser(ctx, "ada", full[client.UserChange]())
	}},
	"DeleteUser": {operation: "deleteUser", call: func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteUser(ctx, "ada") }},
	"SetUserPassword": {operation: "setUserPassword", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.SetUserPassword(ctx, "ada", "secret")
	}},
	"FailedWebhookPage": {operation: "listFailedWebhooks", call: func(ctx context.Context, c *client.Client) (any, error) {
		return c.FailedWebhookPage(ctx, full[client.Page]())
	}},
}

// without are operations that no method makes, and why.
var without = map[string]string{
	"callback":               "an aggregator calls it, in a form that the connector's settings describe",
	"callbackPost":           "as callback",
	"callbackWithSecret":     "as callback",
	"callbackWithSecretPost": "as callback",
	"previewCampaignAgain":   "it is previewCampaign by another method",
	"getOpenAPI":             "whoever wants the document wants it as it is, by Do or Stream",
	"signIn":                 "a session with its cookie is for browsers; a program has a key",
	"getSession":             "as signIn",
	"signOut":                "as signIn",
	"changeOwnPassword":      "as signIn",
	"offerTOTP":              "as signIn",
	"confirmTOTP":            "as signIn",
	"dropTOTP":               "as signIn",
}

// first takes what an iterator gives first.
func first[T any](all iter.Seq2[*T, error]) (any, error) {
	for _, err := range all {
		return nil, err
	}
	return nil, nil
}

// closed ends the reading of a file.
func closed(file io.ReadCloser, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return nil, file.Close()
}

func csv() client.Upload {
	up := full[client.Upload]()
	up.Type = client.CSV
	return up
}

// wrapped puts a list back into the object that it came in.
func wrapped(name string) func(any, error) (any, error) {
	return func(v any, err error) (any, error) { return map[string]any{name: v}, err }
}

// TestClientIsTheDocument holds what every method sends, and what it makes of an answer, to the
// OpenAPI document of the platform.
func TestClientIsTheDocument(t *testing.T) {
	text, err := os.ReadFile("../bulk/api/testdata/openapi.json") // which a test there keeps
	if err != nil {
		t.Fatal(err)
	}
	doc := new(document)
	if err := json.Unmarshal(text, doc); err != nil || len(doc.Paths) < 50 {
		t.Fatalf("%d paths, %v", len(doc.Paths), err)
	}
	r := &recorder{doc: doc}
	c, err := client.New(client.Options{HTTP: &http.Client{Transport: r}})
	if err != nil {
		t.Fatal(err)
	}
	methods := reflect.TypeFor[*client.Client]()
	tested, made := map[string]bool{}, map[string]bool{"getOwnBalance": true} // Balance of Me, below
	for name, want := range calls {
		method, _, _ := strings.Cut(name, " ")
		tested[method], made[want.operation] = true, true
	}
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if !tested[name] && name != "Do" && name != "Stream" && name != "Close" {
			t.Errorf("method %s has no line in calls", name)
		}
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			name := op.OperationID
			switch why, excused := without[name]; {
			case made[name] && excused:
				t.Errorf("%s has a method, and a reason to have none: %s", name, why)
			case !made[name] && !excused:
				t.Errorf("%s %s: no method of Client makes %s, and without does not say why", strings.ToUpper(method), path, name)
			}
			made[name] = true
		}
	}
	for name := range without {
		if !made[name] {
			t.Errorf("without has %s, which is no operation", name)
		}
	}
	for name, want := range calls {
		t.Run(name, func(t *testing.T) {
			got, err := want.call(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if r.op == nil || r.op.OperationID != want.operation {
				t.Fatalf("%s %s is %+v, want %s", r.req.Method, r.req.URL.Path, r.op, want.operation)
			}
			doc.checkRequest(t, r, strings.Fields(want.unsent))
			if got == nil {
				return
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again any
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			kept(t, "", normal(t, r.reply), again)
			known(t, "", reflect.ValueOf(got), strings.Fields(want.absent))
		})
	}
	if _, err := c.Balance(t.Context(), client.Me); err != nil || r.op == nil || r.op.OperationID != "getOwnBalance" {
		t.Errorf("the own balance is %+v, %v", r.op, err)
	}
}

func normal(t *testing.T, v any) (plain any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// checkRequest wants every parameter and every member of the body, and no others, of the right types.
func (d *document) checkRequest(t *testing.T, r *recorder, unsent []string) {
	query := r.req.URL.Query()
	for _, p := range r.op.Parameters {
		switch {
		case p.In == "header" && r.req.Header.Get(p.Name) == "":
			t.Errorf("header %s is not sent", p.Name)
		case p.In == "query" && !query.Has(p.Name) && !slices.Contains(unsent, p.Name):
			t.Errorf("parameter %s is not sent", p.Name)
		}
		query.Del(p.Name)
	}
	for name := range query {
		t.Errorf("parameter %s is not in the document", name)
	}
	if len(r.body) == 0 || r.op.RequestBody == nil {
		if len(r.body) > 0 || r.op.RequestBody != nil {
			t.Errorf("a body of %d octets is sent, the document says %v", len(r.body), r.op.RequestBody)
		}
		return
	}
	content, ok := r.op.RequestBody.Content[r.req.Header.Get("Content-Type")]
	if !ok {
		t.Fatalf("Content-Type %q is not in the document", r.req.Header.Get("Content-Type"))
	}
	if content.Schema == nil || content.Schema.Ref == "" && content.Schema.Properties == nil {
		return // a file
	}
	var sent any
	if err := json.Unmarshal(r.body, &sent); err != nil {
		t.Fatal(err)
	}
	d.fits(t, "", content.Schema, sent, unsent)
}

// fits compares a value that is sent with its schema.
func (d *document) fits(t *testing.T, at string, s *schema, v any, unsent []string) {
	s = d.plain(s)
	if s == nil || s.kind() == "" {
		return // anything
	}
	kinds := map[string]string{"string": "string", "float64": "number", "bool": "boolean", "[]interface {}": "array", "map[string]interface {}": "object"}
	if is, want := kinds[fmt.Sprintf("%T", v)], s.kind(); is != want && (is != "number" || want != "integer") {
		t.Errorf("%s is sent as %s, the document says %s", at, is, want)
		return
	}
	switch v := v.(type) {
	case float64:
		if s.kind() == "integer" && v != 7 {
			t.Errorf("%s is sent as %v, the document says integer", at, v)
		}
	case []any:
		for _, item := range v {
			d.fits(t, at+"/0", s.Items, item, nil)
		}
	case map[string]any:
		for name, member := range v {
			if of := s.Properties[name]; of != nil {
				d.fits(t, at+"/"+name, of, member, nil)
			} else if s.AdditionalProperties == nil {
				t.Errorf("%s/%s is sent and not in the document", at, name)
			}
		}
		for name := range s.Properties {
			if _, ok := v[name]; !ok && !slices.Contains(unsent, name) {
				t.Errorf("%s/%s is in the document and the client cannot send it", at, name)
			}
		}
	}
}

// kept wants every member of an answer to be in what the client made of it, unchanged.
func kept(t *testing.T, at string, want, got any) {
	switch want := want.(type) {
	case map[string]any:
		members, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is an object, the client has %v", at, got)
			return
		}
		lower := map[string]any{} // lists are read into fields without tags
		for name, v := range members {
			lower[strings.ToLower(name)] = v
		}
		for name := range want {
			if v, ok := lower[strings.ToLower(name)]; ok {
				kept(t, at+"/"+name, want[name], v)
			} else {
				t.Errorf("%s/%s is in the document and the client does not read it", at, name)
			}
		}
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			t.Errorf("%s is %v, the client has %v", at, want, got)
			return
		}
		for i := range want {
			kept(t, at+"/0", want[i], items[i])
		}
	default:
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s is %v, the client has %v", at, want, got)
		}
	}
}

// known wants no field to be zero after an answer with every member: it would be one that the
// document does not have.
func known(t *testing.T, at string, v reflect.Value, absent []string) {
	if v.IsZero() {
		t.Errorf("field %s of the client is not in the document", at)
		return
	}
	if _, is := v.Interface().(time.Time); is {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		known(t, at, v.Elem(), absent)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			known(t, at+"[]", v.Index(i), absent)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			known(t, at+"[]", v.MapIndex(k), absent)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; !slices.Contains(absent, name) {
				known(t, at+"."+name, v.Field(i), absent)
			}
		}
	}
}
