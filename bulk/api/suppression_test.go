package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestBlacklistAndOptOuts(t *testing.T) {
	p := start(t, options{})
	admin := []string{"X-API-Key", p.admin}
	a := p.do(t, "POST", "/api/v1/blacklist", `{"numbers":["+49 151 11111","49151","no","49151 2222"]}`)
	a.want(t, 200, "")
	if a.JSON["total"] != 4.0 || a.JSON["added"] != 3.0 || a.JSON["refused"] != 1.0 || !strings.Contains(a.Body, `{"index":2,"code":"invalid_number"`) {
		t.Errorf("answer %s", a.Body)
	}
	p.do(t, "POST", "/api/v1/blacklist?account_id=all", `{"numbers":["499999"]}`).want(t, 400, "invalid_parameter")
	p.do(t, "POST", "/api/v1/blacklist?account_id=1", `{"numbers":["499999"]}`).want(t, 400, "invalid_parameter")
	p.do(t, "POST", "/api/v1/blacklist", `{"numbers":["499999"]}`, admin...).want(t, 200, "") // everybody's
	p.do(t, "POST", "/api/v1/optouts?account_id=2", `{"numbers":["498888"],"sender":"SHOP"}`, admin...).want(t, 200, "")
	p.do(t, "POST", "/api/v1/blacklist", `{"numbers":["x"]}`).want(t, 422, "invalid_number")
	p.do(t, "POST", "/api/v1/blacklist", `{}`).want(t, 422, "missing_numbers")
	for to, code := range map[string]string{"+4915111111": "destination_blacklisted", "499999": "destination_blacklisted", "498888": "opted_out"} {
		p.do(t, "POST", "/api/v1/messages", `{"from":"SHOP","to":"`+to+`","text":"x"}`).want(t, 422, code)
	}
	p.do(t, "POST", "/api/v1/messages", `{"from":"OTHER","to":"498888","text":"x"}`).want(t, 201, "")
	bulk := p.do(t, "POST", "/api/v1/messages/bulk", `{"from":"SHOP","messages":[{"to":"498888","text":"x"},{"to":"497777","text":"x"}]}`)
	bulk.want(t, 201, "")
	if bulk.JSON["accepted"] != 1.0 || !strings.Contains(bulk.Body, `"code":"opted_out"`) || !strings.Contains(bulk.Body, `"pointer":"/messages/0/to"`) {
		t.Errorf("bulk %s", bulk.Body)
	}
	list := p.do(t, "GET", "/api/v1/blacklist?limit=2", "")
	if list.want(t, 200, ""); len(list.JSON["numbers"].([]any)) != 2 || list.JSON["next_cursor"] == nil {
		t.Errorf("list %s", list.Body)
	}
	rest := p.do(t, "GET", "/api/v1/blacklist?limit=2&cursor="+list.JSON["next_cursor"].(string), "")
	if rest.want(t, 200, ""); len(rest.JSON["numbers"].([]any)) != 1 || rest.JSON["next_cursor"] != nil {
		t.Errorf("rest %s", rest.Body)
	}
	if all := p.do(t, "GET", "/api/v1/blacklist", "", admin...); !strings.Contains(all.Body, `"number":"499999","account_id":null`) || strings.Contains(all.Body, "49151") {
		t.Errorf("everybody's %s", all.Body)
	}
	p.do(t, "GET", "/api/v1/blacklist?colour=red&limit=0", "").want(t, 400, "invalid_parameter")
	p.do(t, "DELETE", "/api/v1/blacklist/+4915111111", "").want(t, 204, "")
	p.do(t, "DELETE", "/api/v1/blacklist/4915111111", "").want(t, 404, "not_found")
	p.do(t, "DELETE", "/api/v1/optouts/498888", "").want(t, 404, "not_found") // that one is SHOP's
	p.do(t, "DELETE", "/api/v1/optouts/498888?sender=SHOP", "").want(t, 204, "")
	p.do(t, "POST", "/api/v1/messages", `{"from":"SHOP","to":"4915111111","text":"x"}`).want(t, 201, "")
	p.do(t, "POST", "/api/v1/blacklist/remove", `{"numbers":["49151","491512222","123"]}`).want(t, 200, "")
}

func TestImportOfNumbers(t *testing.T) {
	p := start(t, options{})
	var b strings.Builder
	b.WriteString("\ufeffnumber;name\r\n")
	const n = 12_000 // several batches
	for i := range n {
		fmt.Fprintf(&b, "\"+4915%08d\";Ann\r\n", i)
		if i%4000 == 0 {
			b.WriteString("not a number,x\r\n\r\n")
		}
	}
	req, err := http.NewRequest("POST", p.URL+"/api/v1/optouts", strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", p.key)
	req.Header.Set("Content-Type", "text/csv; charset=utf-8")
	a := p.send(t, req)
	a.want(t, 200, "")
	if a.JSON["added"] != float64(n) || a.JSON["refused"] != 3.0 || !strings.Contains(a.Body, `{"index":3,"code":"invalid_number"`) {
		t.Errorf("answer %.500s", a.Body)
	}
	p.do(t, "POST", "/api/v1/messages", `{"from":"SHOP","to":"+491500011999","text":"x"}`).want(t, 422, "opted_out")
}
