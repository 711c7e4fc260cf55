package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// load loads a configuration from a file's content, environment and flags.
func load(t *testing.T, file string, env map[string]string, args ...string) (Config, []string, error) {
	t.Helper()
	for _, variable := range os.Environ() { // what the environment of the test says must not matter
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PLIMSOLL_") {
			t.Setenv(name, "")
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	if file != "" {
		path := filepath.Join(t.TempDir(), "plimsoll.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(flags, DefaultConfig())
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(flags, DefaultConfig())
}

func TestLoadConfig(t *testing.T) {
	for _, test := range []struct {
		name   string
		file   string
		env    map[string]string
		args   []string
		want   func(*Config)
		strays []string
	}{
		{name: "defaults", want: func(*Config) {}},
		{
			name: "file",
			file: "listen: 127.0.0.1:1\npolicies: [a, b]\npolicy_timeout: 3s\nmax_in_flight: 7\ninsecure: true\n",
			want: func(c *Config) {
				c.Listen, c.Policies, c.PolicyTimeout, c.MaxInFlight, c.Insecure = "127.0.0.1:1", []string{"a", "b"}, 3*time.Second, 7, true
			},
		},
		{name: "file that is empty", file: "# nothing\n", want: func(*Config) {}},
		{name: "file with one path for a list", file: "policies: a\n", want: func(c *Config) { c.Policies = []string{"a"} }},
		{
			name: "environment",
			env: map[string]string{
				"PLIMSOLL_LISTEN": "127.0.0.1:2", "PLIMSOLL_VALIDATORS": "a.yaml,b.yaml", "PLIMSOLL_SHUTDOWN_TIMEOUT": "5s",
				"PLIMSOLL_INSECURE": "true", "PLIMSOLL_MAX_IN_FLIGHT": "9", "PLIMSOLL_CORS_ORIGINS": "https://a.example,https://b.example",
			},
			want: func(c *Config) {
				c.Listen, c.Validators, c.ShutdownTimeout = "127.0.0.1:2", []string{"a.yaml", "b.yaml"}, 5*time.Second
				c.Insecure, c.MaxInFlight, c.CORSOrigins = true, 9, []string{"https://a.example", "https://b.example"}
			},
		},
		{
			name: "environment variables that are empty are not set",
			file: "listen: 127.0.0.1:1\n",
			env:  map[string]string{"PLIMSOLL_LISTEN": "", "PLIMSOLL_POLICIES": "", "PLIMSOLL_COLOUR": ""},
			want: func(c *Config) { c.Listen = "127.0.0.1:1" },
		},
		{
			name: "environment variables that are no settings",
			env: map[string]string{
				"PLIMSOLL_PORT": "tcp://10.0.0.1:1876", "PLIMSOLL_LSITEN": "x",
				"PLIMSOLL_ADDRESS": "http://127.0.0.1:1", "PLIMSOLL_NAMESPACE": "web",
			},
			want:   func(*Config) {},
			strays: []string{"PLIMSOLL_LSITEN", "PLIMSOLL_PORT"},
		},
		{
			name: "flags",
			args: []string{"--listen=127.0.0.1:3", "--policies=a", "--policies=b,c", "--mutation-timeout=1m", "--tls-cert=c", "--tls-key=k"},
			want: func(c *Config) {
				c.Listen, c.Policies, c.MutationTimeout, c.TLSCert, c.TLSKey = "127.0.0.1:3", []string{"a", "b", "c"}, time.Minute, "c", "k"
			},
		},
		{
			name: "enforcement, long",
			file: "enforcement:\n- packages: [labels.*, images]\n  namespaces: [dev-*]\n  enforcement: warn\n- {packages: ['*'], enforcement: enforce}\n",
			want: func(c *Config) {
				c.Enforcement = []Enforcement{
					{Packages: []string{"labels.*", "images"}, Namespaces: []string{"dev-*"}, Enforcement: "warn"},
					{Packages: []string{"*"}, Enforcement: "enforce"},
				}
			},
		},
		{
			name: "enforcement, short",
			file: "enforcement: ['x=warn']\n",
			args: []string{"--enforcement=labels.*@dev-*=warn", "--enforcement=images=enforce"},
			want: func(c *Config) {
				c.Enforcement = []Enforcement{
					{Packages: []string{"labels.*"}, Namespaces: []string{"dev-*"}, Enforcement: "warn"},
					{Packages: []string{"images"}, Enforcement: "enforce"},
				}
			},
		},
		{
			name: "enforcement of the environment",
			env:  map[string]string{"PLIMSOLL_ENFORCEMENT": "a@b=warn,c=warn"},
			want: func(c *Config) {
				c.Enforcement = []Enforcement{
					{Packages: []string{"a"}, Namespaces: []string{"b"}, Enforcement: "warn"}, {Packages: []string{"c"}, Enforcement: "warn"},
				}
			},
		},
		{
			name: "the environment wins over the file, and flags over both",
			file: "listen: 127.0.0.1:1\ndata: file\nsocket: file\npolicies: [file]\n",
			env:  map[string]string{"PLIMSOLL_LISTEN": "127.0.0.1:2", "PLIMSOLL_DATA": "environment", "PLIMSOLL_POLICIES": "environment"},
			args: []string{"--listen=127.0.0.1:3", "--policies=flag"},
			want: func(c *Config) {
				c.Listen, c.Data, c.Socket, c.Policies = "127.0.0.1:3", "environment", "file", []string{"flag"}
			},
		},
		{
			name: "a flag wins that gives the default",
			file: "listen: 127.0.0.1:1\ninsecure: true\n",
			args: []string{"--listen=" + DefaultListen, "--insecure=false"},
			want: func(*Config) {},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, strays, err := load(t, test.file, test.env, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			want := DefaultConfig()
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.strays, strays); diff != "" {
				t.Errorf("strays (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadConfigFileOfEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plimsoll.yaml")
	if err := os.WriteFile(path, []byte("data: here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, strays, err := load(t, "", map[string]string{"PLIMSOLL_CONFIG": path})
	if err != nil || got.Data != "here" || len(strays) > 0 {
		t.Errorf("data %q, strays %v, error %v", got.Data, strays, err)
	}
}

func TestLoadConfigErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		file string
		env  map[string]string
		args []string
		want []string // the lines; of the file's path only the last part
	}{
		{
			name: "unknown keys, all of them",
			file: "listn: x\npolices: [x]\ntls:\n  cert: x\ncolour: blue\n",
			want: []string{
				`configuration file plimsoll.yaml: unknown key "colour"; known are ` + strings.Join(knownKeys(), ", "),
				`configuration file plimsoll.yaml: unknown key "listn"; did you mean "listen"?`,
				`configuration file plimsoll.yaml: unknown key "polices"; did you mean "policies"?`,
				`configuration file plimsoll.yaml: unknown key "tls.cert"; did you mean "tls_cert"?`,
			},
		},
		{
			name: "a flag's name is no key",
			file: "policy-timeout: 1s\n",
			want: []string{`configuration file plimsoll.yaml: unknown key "policy-timeout"; did you mean "policy_timeout"?`},
		},
		{
			name: "values of the wrong type, all of them, from wherever they are",
			file: "policy_timeout: soon\nlisten: [a, b]\ninsecure: perhaps\n",
			env:  map[string]string{"PLIMSOLL_MAX_IN_FLIGHT": "many"},
			want: []string{
				"insecure: perhaps is not true or false",
				"listen: [a b] is not a text",
				"max-in-flight: many is not a whole number",
				"policy-timeout: soon is not a duration such as 10s",
			},
		},
		{
			name: "values that make no sense, all of them",
			args: []string{
				"--listen=nowhere", "--data=", "--policies=none,a", "--tls-key=k", "--default-namespace=a/b", "--default-snapshotter=", "--policy-timeout=0",
				"--mutation-timeout=-1s", "--shutdown-timeout=0s", "--max-in-flight=0", "--log-level=loud", "--socket=/" + strings.Repeat("s", 107),
			},
			want: []string{
				"data: it is empty; name the directory of the database",
				`default-namespace: identifier "a/b" must match ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$`,
				"default-snapshotter: identifier must not be empty",
				`listen: "nowhere" is not an address such as 127.0.0.1:1876`,
				`log-level: "loud" is none of debug, info, warn, error`,
				"max-in-flight: must be at least 1",
				"mutation-timeout: must be more than 0",
				`policies: "none" stands alone; leave it out to have the others enforced`,
				"policy-timeout: must be more than 0",
				"shutdown-timeout: must be more than 0",
				"socket: the path has 108 bytes, and the system allows 107; choose a shorter one",
				"tls-cert and tls-key: one is useless without the other; give both",
			},
		},
		{name: "log format", args: []string{"--log-format=xml"}, want: []string{`log-format: "xml" is neither text nor json`}},
		{
			name: "origins that no browser sends, and all",
			args: []string{
				"--cors-origins=*,console.example.com,https://console.example.com/,https://console.example.com:443,http://a.example:80",
				"--cors-origins=https://*.example.com,https://Console.example.com,null,ftp://a.example,https://u@a.example,https://a.example?,https://",
			},
			want: append(notOrigins("console.example.com", "ftp://a.example", "http://a.example:80", "https://", "https://*.example.com",
				"https://Console.example.com", "https://a.example?", "https://console.example.com/", "https://console.example.com:443",
				"https://u@a.example", "null"), "cors-origins: * would let every web page on the internet call, by way of whoever visits it; name the origins"),
		},
		{
			name: "enforcement with unknown keys",
			file: "enforcement: [{package: [a], namespaces: [b], enforcment: warn}]\n",
			want: []string{
				`configuration file plimsoll.yaml: enforcement[0]: unknown key "enforcment"; did you mean "enforcement"?`,
				`configuration file plimsoll.yaml: enforcement[0]: unknown key "package"; did you mean "packages"?`,
			},
		},
		{
			name: "enforcement that makes no sense",
			args: []string{"--enforcement=labels.*", "--enforcement=[a@=wran"},
			want: []string{
				`enforcement[0]: enforcement: "labels.*" is none of enforce, warn, canary:PERCENT% (such as canary:10%)`,
				`enforcement[0]: packages[0]: "" is no pattern; write it like labels.*`,
				`enforcement[1]: enforcement: "wran" is none of enforce, warn, canary:PERCENT% (such as canary:10%)`,
				`enforcement[1]: namespaces[0]: "" is no pattern; write it like labels.*`,
				`enforcement[1]: packages[0]: "[a" is no pattern; write it like labels.*`,
			},
		},
		{name: "enforcement of nothing", file: "enforcement: [{enforcement: warn}]\n", want: []string{`enforcement[0]: packages: name at least one, or "*" for all`}},
		{name: "an empty origin", file: "cors_origins: ['']\n", want: notOrigins("")},
		{name: "an empty path", file: "validators: ['']\n", want: []string{"validators: a path is empty"}},
		{
			name: "plain text for other machines",
			args: []string{"--listen=192.0.2.1:1876"},
			want: []string{"listen: 192.0.2.1:1876 is reachable from other machines, where plain text is refused: give tls-cert and tls-key, or allow it with insecure"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := load(t, test.file, test.env, test.args...)
			if err == nil {
				t.Fatal("no error")
			}
			var got []string
			for line := range strings.Lines(err.Error()) {
				if _, rest, ok := strings.Cut(line, "/plimsoll.yaml"); ok {
					line = "configuration file plimsoll.yaml" + rest
				}
				got = append(got, strings.TrimSuffix(line, "\n"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func notOrigins(origins ...string) []string {
	var problems []string
	for _, origin := range origins {
		problems = append(problems, fmt.Sprintf("cors-origins: %q is not an origin as browsers send it, such as https://console.example.com: "+
			"http or https, a host in lower case, a port unless it is the usual one, no path", origin))
	}
	return problems
}

func TestValidateOrigins(t *testing.T) {
	config := DefaultConfig()
	config.CORSOrigins = []string{
		"https://console.example.com", "https://console.example.com:8443", "http://localhost:3000", "http://127.0.0.1:5173",
		"https://[2001:db8::1]:8443", "https://xn--bcher-kva.example", "http://intranet",
	}
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateListen(t *testing.T) {
	const refused = true
	for _, test := range []struct {
		listen  string
		change  func(*Config)
		refused bool
	}{
		{listen: "127.0.0.1:0"},
		{listen: "127.8.9.10:1876"},
		{listen: "[::1]:1876"},
		{listen: "localhost:1876"},
		{listen: ":1876", refused: refused},
		{listen: "0.0.0.0:1876", refused: refused},
		{listen: "[::]:1876", refused: refused},
		{listen: "example.org:1876", refused: refused},
		{listen: "localhost.example.org:1876", refused: refused},
		{listen: "", refused: refused},
		{listen: "127.0.0.1", refused: refused},
		{listen: ":1876", change: func(c *Config) { c.Insecure = true }},
		{listen: ":1876", change: func(c *Config) { c.TLSCert, c.TLSKey = "c", "k" }},
	} {
		t.Run(test.listen, func(t *testing.T) {
			config := DefaultConfig()
			config.Listen = test.listen
			if test.change != nil {
				test.change(&config)
			}
			if err := config.Validate(); (err != nil) != test.refused {
				t.Errorf("error is %v, want one: %t", err, test.refused)
			}
		})
	}
}
