package policy

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Why a builtin does not exist here.
const (
	irreproducible = "decisions must be reproducible: a rule sees the input, its data and other containers, nothing else"
	noNetwork      = "rules cannot use the network"
	unbounded      = "it cannot be interrupted, and a few bytes make it run for minutes"
	offTopic       = "a rule judges a mutation and needs no such thing"
)

// withheld are the builtins that rules do not get, by name or by prefix (with a
// trailing dot), with the reason. Restricting capabilities, unlike OPA's list of
// unsafe builtins, cannot be got round with the with keyword.
var withheld = map[string]string{
	"http.send":   noNetwork,
	"net.":        noNetwork,
	"opa.runtime": irreproducible, // the environment
	"rand.":       irreproducible,
	"uuid.":       irreproducible,
	"time.now_ns": irreproducible,
	// These compare with the clock when not told a time.
	"io.jwt.decode_verify":                                   irreproducible,
	"crypto.x509.parse_and_verify_certificates":              irreproducible,
	"crypto.x509.parse_and_verify_certificates_with_options": irreproducible,
	"json.match_schema":                                      "it follows references to local files", // allow_net does not cover file://
	"json.verify_schema":                                     "it follows references to local files",
	"bits.lsh":                                               unbounded,
	"graph.reachable_paths":                                  unbounded, // exponential in the graph, which may be the caller's
	"strings.render_template":                                unbounded, // templates have loops
	"rego.parse_module":                                      offTopic,
	"io.jwt.encode_sign":                                     offTopic,
	"io.jwt.encode_sign_raw":                                 offTopic,
	"providers.aws.sign_req":                                 offTopic,
}

// whyWithheld says why there is no such builtin, or "".
func whyWithheld(name string) string {
	if why := withheld[name]; why != "" {
		return why
	}
	family, _, _ := strings.Cut(name, ".")
	return withheld[family+"."]
}

// capabilities is what OPA may do for rules.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV1))
	allowed := make([]*ast.Builtin, 0, len(c.Builtins))
	for _, b := range c.Builtins {
		if !b.Nondeterministic && whyWithheld(b.Name) == "" {
			allowed = append(allowed, b)
		}
	}
	for _, f := range contextBuiltins {
		allowed = append(allowed, &ast.Builtin{Name: f.Name, Description: f.Description, Decl: f.Decl, Nondeterministic: f.Nondeterministic})
	}
	c.Builtins = allowed
	c.AllowNet = []string{} // nil would allow every host
	return c
}
