package service_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/plimsoll-project/plimsoll/service"
)

// What a person types, and what the answer is, to the letter.
func TestCurl(t *testing.T) {
	const (
		spec = `{"@type":"` + specType + `","value":{"process":{"args":["sh"]},"ociVersion":"1.2.0","n":1e400}}`
		web  = `"id":"web","labels":{"team":"core"},"image":"alpine","runtime":"io.containerd.runc.v2","spec":` + spec
	)
	steps := []struct {
		name, method, body string
		status             int
		answer             string // without the details of errors
	}{
		{
			"create", "Create", `{"container": {` + web + `}}`, 200, `{"container":{` + web + `}}`,
		},
		{"get", "Get", `{"id": "web"}`, 200, `{"container":{` + web + `}}`},
		{"list", "List", `{"filter": "labels.team==core"}`, 200, `{"containers":[{` + web + `}]}`},
		{"list nothing", "List", `{"filter": "labels.team==data"}`, 200, `{}`},
		{
			"update a label with slashes", "Update",
			`{"container": {"id": "web", "labels": {"example.org/a-b_c": "1"}}, "updateMask": "labels.example.org/a-b_c,labels.team"}`,
			200, `{"container":{` + strings.Replace(web, `{"team":"core"}`, `{"example.org/a-b_c":"1"}`, 1) + `}}`,
		},
		{
			"update a label in camel case", "Update",
			`{"container": {"id": "web", "labels": {"teamName": "1"}}, "updateMask": {"paths": ["labels", "labels.teamName"]}}`,
			200, `{"container":{` + strings.Replace(web, `{"team":"core"}`, `{"teamName":"1"}`, 1) + `}}`,
		},
		{
			"ambiguous mask", "Update", `{"container": {"id": "web"}, "updateMask": "labels.teamName"}`, 400,
			`{"code":"invalid_argument","message":"unmarshal message: field mask path \"labels.teamName\" is ambiguous, as JSON clients write team_name as teamName; send {\"paths\": [\"labels.teamName\"]} instead"}`,
		},
		{
			"update everything", "Update", `{"container": {` + web + `}}`, 200, `{"container":{` + web + `}}`,
		},
		{
			"denied", "Update", `{"container": {"id": "web", "labels": {"policy": "2"}}, "updateMask": "labels.policy"}`, 403,
			`{"code":"permission_denied","message":"denied: rule 0 says no [labels.required labels.rego:12] (and 1 more)"}`,
		},
		{
			"bad filter", "List", `{"filter": "id=web"}`, 400,
			`{"code":"invalid_argument","message":"filter: at byte 2: [id \u003e|=|\u003c web]: unsupported operator \"=\""}`,
		},
		{"delete", "Delete", `{"id": "web"}`, 200, `{}`},
		{"gone", "Get", `{"id": "web"}`, 404, `{"code":"not_found","message":"container \"web\" in namespace \"default\": not found"}`},
	}
	f := newFixture(t, nil, service.Options{})
	srv := f.serve(t)
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			status, _, answer := send(t, http.MethodPost, srv.URL+procedures+step.method,
				map[string]string{"Content-Type": "application/json"}, []byte(step.body))
			if status != 200 { // tests of details are elsewhere
				var e struct {
					Code    string `json:"code"`
					Message string `json:"message"`
				}
				if err := json.Unmarshal([]byte(answer), &e); err != nil {
					t.Fatalf("%v in %s", err, answer)
				}
				plain, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				answer = string(plain)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(answer)); err != nil {
				t.Fatal(err)
			}
			if status != step.status || compact.String() != step.answer {
				t.Errorf("got %d %s\nwant %d %s", status, compact.String(), step.status, step.answer)
			}
		})
	}
}
