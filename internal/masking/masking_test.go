package masking

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestIsSecretKey(t *testing.T) {
	for _, key := range []string{
		"password", "DB_PASSWORD", "PGPASSWORD", "mysql.passwd", "secret", "clientSecret", "x-auth-token", "API_KEY", "apikey",
		"ssh_key", "credentials", "AWS_CREDS", "Authorization", "authorization", "bearer", "set-cookie", "SESSION_ID", "jwt",
		"db_pass", "PASS", "SENTRY_DSN", "pwd", "example.org/secret.name", "monkey",
		"db_pw", "PW", "dbPw", "passcode", "pass_file", "dbPassFile", "PASS2", "sig", "url.sig", "X-Amz-Signature",
	} {
		if !IsSecretKey(key) {
			t.Errorf("%q is none", key)
		}
	}
	for _, key := range []string{
		"", "a", "team", "owner", "path", "passthrough", "author", "org.opencontainers.image.authors", "labels", "spec", "image", "rootfs",
		"namespaces", "capabilities", "destination", "options", "readonlyPaths", "noNewPrivileges", "seccomp", "rlimits", "hostname",
		"passive", "passenger", "PASSTHROUGH", "upward", "pwnat", "design", "signal", "sigma",
	} {
		if IsSecretKey(key) {
			t.Errorf("%q is one", key)
		}
	}
}

func TestText(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":         {"", ""},
		"plain":         {"a container for the shop's front end", "a container for the shop's front end"},
		"image":         {"registry.example:5000/team/web@sha256:0123456789abcdef", "registry.example:5000/team/web@sha256:0123456789abcdef"},
		"url":           {"postgres://ann:hunter2@db/shop", "postgres://ann:***@db/shop"},
		"url, no user":  {"redis://:hunter2@cache", "redis://:***@cache"},
		"url, at in it": {"https://a:p@ss@host/x", "https://a:***@host/x"},
		"assigned":      {"user=ann password=hunter2 db=shop", "user=ann password=*** db=shop"},
		"header":        {"curl -H 'Authorization: Bearer abc.def' x", "curl -H 'Authorization: Bearer ***' x"},
		"quoted":        {`token: "two words" x`, `token: *** x`},
		"flag":          {"run --api-key abc123 now", "run --api-key *** now"},
		"json":          {`{"password":"hunter2","x":1}`, `{"password":***,"x":1}`},
		"query":         {"https://x.example/?token=abc&y=1", "https://x.example/?token=***&y=1"},
		"GitHub":        {"use ghp_0123456789abcdefghij here", "use *** here"},
		"AWS":           {"AKIAIOSFODNN7EXAMPLE", "***"},
		"JWT":           {"x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc y", "x *** y"},
		"PEM":           {"a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb", "a\n***\nb"},
		"PEM, cut off":  {"-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"},
		"system call":   {"request_key", "request_key"},
		"capability":    {"CAP_SYS_ADMIN", "CAP_SYS_ADMIN"},
		"words":         {"the secret of monkey business", "the secret of monkey business"},
		"shell":         {`sh -c "export DB_PASS=hunter2; run"`, `sh -c "export DB_PASS=***; run"`},
		"list":          {"user=a,pass=hunter2", "user=a,pass=***"},
		"flag, short":   {"x --pass hunter2", "x --pass ***"},
		"YAML":          {"user: a\npass: hunter2", "user: a\npass: ***"},
		"JSON, short":   {`{"pass":"hunter2"}`, `{"pass":***}`},
		"JSON in JSON":  {`{\"pass\":\"hunter2\"}`, `{\"pass\":***`},
		"shortest":      {"pw=x", "pw=***"},
		"signature":     {"https://x.example/?sv=1&sig=abc%2F&y=1", "https://x.example/?sv=1&sig=***&y=1"},
		"camel case":    {"dbPw: hunter2", "dbPw: ***"},
		"JSON array":    {`{"tokens": ["a", "b]"], "x": 1}`, `{"tokens": ***, "x": 1}`},
		"JSON object":   {`{"secret": {"a": {"b": "c"}}, "x": 1}`, `{"secret": ***, "x": 1}`},
		"YAML list":     {"password:\n  - x\n  - y\nz: 1", "password:\n  ***\nz: 1"},
		"YAML list, at": {"a:\n  password:\n  - x\n  - y\n  z: 1", "a:\n  password:\n  ***\n  z: 1"},
		"YAML map":      {"secret:\n  a: x\n\n  b: y\nz: 1", "secret:\n  ***\nz: 1"},
		"YAML block":    {"key: |-\n  line one\n  line two\nz: 1", "key: ***\nz: 1"},
		"YAML element":  {"- password: |\n    one\n  user: x", "- password: ***\n  user: x"},
		"next line":     {"password:\nhunter2 x", "password:\n*** x"},
		"in JSON below": {"{\n  \"password\":\n    \"two words\",\n  \"x\": 1\n}", "{\n  \"password\":\n    ***,\n  \"x\": 1\n}"},
		"not closed":    {`password="two words`, `password=***`},
		"escaped":       {`password="a\"b c" x`, `password=*** x`},
		"glued quotes":  {`password=a'b'"c" x`, `password=*** x`},
		"brackets open": {`password=[a, b`, `password=***`},
		"no value":      {"password=", "password="},
		"passive":       {"passive: yes", "passive: yes"},
		"bearer":        {"say Bearer abc.def to it", "say Bearer *** to it"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Text(test.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestArgs(t *testing.T) {
	for name, test := range map[string]struct{ args, want []string }{
		"nothing secret":  {[]string{"nginx", "-g", "daemon off;"}, []string{"nginx", "-g", "daemon off;"}},
		"flag and value":  {[]string{"db", "--password", "hunter2", "x"}, []string{"db", "--password", "***", "x"}},
		"value like flag": {[]string{"--password", "--hunter2", "x"}, []string{"--password", "***", "x"}},
		"assigned":        {[]string{"--token=abc", "API_KEY=abc", "--x=abc"}, []string{"--token=***", "API_KEY=***", "--x=abc"}},
		"empty":           {[]string{"--password", "", "--token="}, []string{"--password", "", "--token="}},
		"mysql":           {[]string{"mysql", "-uroot", "-pS3cret"}, []string{"mysql", "-uroot", "-p***"}},
		"curl":            {[]string{"curl", "-u", "ann:hunter2", "x"}, []string{"curl", "-u", "***", "x"}},
		"port":            {[]string{"-p", "8080:80", "-port", "80"}, []string{"-p", "8080:80", "-port", "80"}},
		"user number":     {[]string{"-u", "1000"}, []string{"-u", "1000"}},
		"script":          {[]string{"sh", "-c", "export PASSWORD=x; run --token y"}, []string{"sh", "-c", "export PASSWORD=***; run --token ***"}},
		"script, mysql":   {[]string{"sh", "-c", "mysql -u root -phunter -e 'select 1'"}, []string{"sh", "-c", "mysql -u *** -p*** -e 'select 1'"}},
		"script, curl":    {[]string{"sh", "-c", "curl -u a:hunter2 https://x"}, []string{"sh", "-c", "curl -u *** https://x"}},
		"script, quoted":  {[]string{"sh", "-c", `ssh h "login -p 'a b' x"; ls -a b`}, []string{"sh", "-c", `ssh h "login -p '***' x"; ls -a b`}},
		"script, sshpass": {[]string{"sshpass -p 1234 ssh h"}, []string{"sshpass -p *** ssh h"}},
		"script, next":    {[]string{"run --password; ls x"}, []string{"run --password; ls x"}},
		"script assigned": {[]string{"CMD=redis-cli -a x"}, []string{"CMD=redis-cli -a ***"}},
		"redis":           {[]string{"/usr/bin/redis-cli", "-h", "db", "-a", "1234"}, []string{"/usr/bin/redis-cli", "-h", "db", "-a", "***"}},
		"passcode":        {[]string{"--passcode", "x"}, []string{"--passcode", "***"}},
		"all":             {[]string{"ls", "-a", "x"}, []string{"ls", "-a", "x"}},
		"random":          {[]string{"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1"}, []string{"***"}},
		"random, named":   {[]string{"--x=d41d8cd98f00b204e9800998ecf8427e"}, []string{"--x=***"}},
		"digest":          {[]string{"nginx@sha256:d41d8cd98f00b204e9800998ecf8427e"}, []string{"nginx@sha256:d41d8cd98f00b204e9800998ecf8427e"}},
		"path":            {[]string{"/usr/share/nginx/html/v2/x1/index"}, []string{"/usr/share/nginx/html/v2/x1/index"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Args(test.args)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocument(t *testing.T) {
	for name, test := range map[string]struct{ doc, want string }{
		"env":             {`{"spec":{"process":{"env":["A=b","B=","C",""]}}}`, `{"spec":{"process":{"env":["A=***","B=","***",""]}}}`},
		"env of a hook":   {`{"hooks":{"poststart":[{"env":["A=b"]}]}}`, `{"hooks":{"poststart":[{"env":["A=***"]}]}}`},
		"env by name":     {`{"env":{"A":"b","N":1,"none":null}}`, `{"env":{"A":"***","N":"***","none":null}}`},
		"args":            {`{"args":["x","--password","y"]}`, `{"args":["x","--password","***"]}`},
		"object in args":  {`{"args":["--password",{"a":"b"},{"a":"b"},"-u",["x"],"y"]}`, `{"args":["--password","***",{"a":"b"},"-u","***","y"]}`},
		"text":            {`{"note":"user: a\npass: hunter2","db_pw":"x"}`, `{"note":"user: a\npass: ***","db_pw":"***"}`},
		"labels":          {`{"labels":{"team":"core","api-key":"x"}}`, `{"labels":{"team":"core","api-key":"***"}}`},
		"escaped key":     {`{"labels":{"api\u002dkey":"x"}}`, `{"labels":{"api\u002dkey":"***"}}`},
		"value of a key":  {`{"secret":{"a":["b"]},"token":[1],"key":7,"auth":true,"pwd":null}`, `{"secret":"***","token":"***","key":"***","auth":"***","pwd":null}`},
		"extensions":      {`{"extensions":{"a":{"b":"c","d":[1,"e",{"f":"g"}],"h":""}}}`, `{"extensions":{"a":{"b":"***","d":[1,"***",{"f":"***"}],"h":""}}}`},
		"options":         {`{"runtime_options":{"binary_name":"runc","x":true}}`, `{"runtime_options":{"binary_name":"***","x":true}}`},
		"env in options":  {`{"runtime_options":{"env":["A=b"]}}`, `{"runtime_options":{"env":["***"]}}`},
		"base64":          {`{"spec":{"base64":"aGk="}}`, `{"spec":{"base64":"***"}}`},
		"scalars":         {` [ 1 , true , null , "x" ] `, `[1,true,null,"x"]`},
		"what is written": {`{"a":"\u0041","b":"é"}`, `{"a":"\u0041","b":"é"}`},
		"equal names":     {`{"a":"1","a":"2"}`, `{"a":"1","a":"2"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Document([]byte(test.doc))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, doc := range []string{``, `{`, `{"a":`, `{"password":{`, `["CANARY`} {
		if got, err := Document([]byte(doc)); err == nil || got != nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q became %q, %v", doc, got, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct{ text, want string }{{"short", "short"}, {"0123456789abc", "0123456…"}, {"012345éabcd", "012345…"}} {
		if got := string(Cut([]byte(test.text), 10)); got != test.want {
			t.Errorf("%q became %q, want %q", test.text, got, test.want)
		}
	}
}

// Whatever a secret is made of, it is not in what is shown of a document that has it in a
// place of secrets.
func FuzzDocument(f *testing.F) {
	f.Add("hunter2", "PASSWORD")
	f.Add("=\"\\\n\x00é", "x.token/y")
	f.Add("--", "key")
	f.Fuzz(func(t *testing.T, secret, key string) {
		if !utf8.ValidString(secret) || !utf8.ValidString(key) {
			return // JSON has no such strings
		}
		secret = "CANARY" + secret
		if !IsSecretKey(key) {
			key += "-token"
		}
		value := func(s string) string {
			quoted, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return string(quoted)
		}
		doc := fmt.Sprintf(`{"object": {"labels": {%[2]s: %[1]s}, "extensions": {"x": {"y": [%[1]s]}}, "runtime_options": {"z": %[1]s},
			"spec": {"process": {"env": [%[3]s], "args": ["run", "--password", %[1]s, %[4]s]},
				"annotations": {%[2]s: %[1]s}, "hooks": {"prestart": [{"env": [%[3]s]}]}, %[2]s: {"deep": [{"er": %[1]s}]}}}, "old_object": null}`,
			value(secret), value(key), value("A="+secret), value("--token="+secret))
		if !json.Valid([]byte(doc)) {
			t.Fatalf("the test made %s", doc)
		}
		shown, err := Document([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(shown) {
			t.Errorf("%s is no JSON", shown)
		}
		if strings.Contains(strings.ReplaceAll(string(shown), value(key), ""), "CANARY") {
			t.Errorf("%s has a secret", shown)
		}
	})
}

// Whatever surrounds it, a secret is not in what is shown of text that says what it is.
func FuzzText(f *testing.F) {
	f.Add("a: b\n", " x", "pass")
	f.Add(`{"`, `"}`, "token")
	f.Add(`sh -c "`, `"`, "DB_PW")
	f.Fuzz(func(t *testing.T, before, after, key string) {
		for i := range len(key) {
			if !isNameByte(key[i]) {
				return
			}
		}
		if !IsSecretKey(key) {
			key += "_pass"
		}
		for _, text := range []string{key + "=CANARY", key + ": CANARY", key + `":"CANARY"`, "--" + key + " CANARY"} {
			shown := Text(before + " " + text + after)
			if at := strings.Index(shown, "CANARY"); at >= 0 && !strings.Contains(before+after+key, "CANARY") {
				t.Errorf("%q became %q", before+" "+text+after, shown)
			}
			_ = Args([]string{before + text + after})
		}
	})
}

// What is shown of a document is one again.
func FuzzDocumentIsStable(f *testing.F) {
	f.Add(`{"object":{"labels":{"team":"core"},"spec":{"process":{"env":["A=b"],"args":["--password","x"]}}}}`)
	f.Fuzz(func(t *testing.T, doc string) {
		once, err := Document([]byte(doc))
		if err != nil {
			return
		}
		if json.Valid([]byte(doc)) && !json.Valid(once) {
			t.Errorf("%s became %s", doc, once)
		}
		if _, err := Document(once); err != nil {
			t.Errorf("%s cannot be read again: %v", once, err)
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	var spec strings.Builder
	spec.WriteString(`{"object":{"labels":{"team":"core"},"spec":{"process":{"env":["PATH=/usr/bin:/bin","A=b"],"args":["nginx","-g","daemon off;"]},"seccomp":{"names":["x"`)
	for i := range 350 {
		fmt.Fprintf(&spec, `,"syscall_%d"`, i)
	}
	spec.WriteString(`]}}}}`)
	doc := []byte(spec.String())
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Document(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// Text that is made to take long takes as long for each byte as any other.
func BenchmarkText(b *testing.B) {
	for name, part := range map[string]string{
		"plain": "a word, and another ", "names": "pass ", "assigned": "pass=x ", "quotes": `pass="x' `, "brackets": "pass=[{", "blocks": "pass: |",
		"lines": "pass:\n", "lists": "pass:\n- x\n", "flags": "--pass ", "escapes": `pass\":\`, "URLs": "://a:b", "pem": "-----BEGIN x-----",
	} {
		for _, size := range []int{1 << 12, 1 << 18} {
			text := strings.Repeat(part, size/len(part))
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					Args([]string{text})
				}
			})
		}
	}
}
