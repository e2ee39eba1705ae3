package bulk

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestProfilesAreForAdmins asks for a profile with keys of an admin, a customer and nobody.
func TestProfilesAreForAdmins(t *testing.T) {
	s := openSite(t, t.TempDir(), nil)
	s.must(201, "POST", "/accounts", `{"name":"acme"}`)
	var key struct {
		Key string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(s.must(201, "POST", "/accounts/2/keys", `{}`)), &key); err != nil || key.Key == "" {
		t.Fatalf("no key: %v", err)
	}
	for apiKey, want := range map[string]int{"dev-api-key": 200, key.Key: 403, "wrong": 401} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1"} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.HTTPAddr()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-API-Key", apiKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s with %s: %d, want %d", path, apiKey, resp.StatusCode, want)
			}
		}
	}
}
