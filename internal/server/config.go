package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/containerd/containerd/v2/pkg/identifiers"
	"github.com/dustin/go-humanize"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
)

// Config is everything that can be configured. Each value comes from, in this
// order, the later winning: its default, the configuration file, the environment
// variable PLIMSOLL_ and the key in capitals, the flag of the same name with dashes.
type Config struct {
	// Listen is the TCP address to serve on; port 0 picks a free one.
	Listen string `koanf:"listen"`
	// Socket is the path of a unix socket to serve on too; empty for none.
	Socket string `koanf:"socket"`
	// Data is the directory of the database.
	Data string `koanf:"data"`
	// Policies are paths or URLs (oci, https, http) of Rego policies. Empty means the
	// embedded starter set, "none" none.
	Policies []string `koanf:"policies"`
	// PolicyGrants are what policies may read besides the namespace of the mutation they
	// judge, each as PACKAGE=NAMESPACE; * stands for all namespaces.
	PolicyGrants []string `koanf:"policy_grants"`
	// Enforcement overrides whether policies deny or only warn; the first that covers a
	// package and a namespace counts.
	Enforcement []Enforcement `koanf:"enforcement"`
	// PolicyKeys are files with public keys, in PEM. If there are any, all policies but
	// the embedded ones must be signed with one of them, for PolicyScope.
	PolicyKeys  []string `koanf:"policy_keys"`
	PolicyScope string   `koanf:"policy_scope"`
	// PolicyPoll is how often policies and validators are looked at again: those on other machines, and
	// those on this one in case their change went unnoticed.
	PolicyPoll time.Duration `koanf:"policy_poll"`
	// PolicyPlainHTTP allows policies, and modules of validators, to come over plain HTTP
	// from beyond loopback.
	PolicyPlainHTTP bool `koanf:"policy_plain_http"`
	// Validators are paths of validators.yaml files. Empty means the embedded runc
	// checker, "none" none.
	Validators []string `koanf:"validators"`
	// ValidatorKeys are files with public keys of minisign. If there are any, all modules
	// of validators but the embedded ones must be signed with one of them.
	ValidatorKeys []string `koanf:"validator_keys"`
	// TLSCert and TLSKey are PEM files; both or neither.
	TLSCert string `koanf:"tls_cert"`
	TLSKey  string `koanf:"tls_key"`
	// Insecure allows plain text on addresses beyond loopback.
	Insecure bool `koanf:"insecure"`
	// CORSOrigins are the origins whose web pages may call the API from a browser,
	// such as https://console.example.com; empty for none.
	CORSOrigins []string `koanf:"cors_origins"`
	// DefaultNamespace is that of requests which name none.
	DefaultNamespace string `koanf:"default_namespace"`
	// DefaultSnapshotter is that of containers whose root filesystem comes through
	// containerd.v1, which knows no snapshotters.
	DefaultSnapshotter string `koanf:"default_snapshotter"`
	// OpenNamespaceLabels lets anybody change the labels of namespaces, and not only root
	// and the server's user on the unix socket.
	OpenNamespaceLabels bool `koanf:"open_namespace_labels"`
	// BreakGlass are the users, as decisions name them, who may override what rules say by
	// giving a reason; empty for nobody.
	BreakGlass []string `koanf:"break_glass"`
	// ExemptionLimit is how far ahead exemptions from rules may expire.
	ExemptionLimit time.Duration `koanf:"exemption_limit"`
	// PolicyTimeout bounds one evaluation of all policies.
	PolicyTimeout time.Duration `koanf:"policy_timeout"`
	// MutationTimeout bounds a mutation from request to commit.
	MutationTimeout time.Duration `koanf:"mutation_timeout"`
	// MaxInFlight bounds how many mutations are judged at once.
	MaxInFlight int `koanf:"max_in_flight"`
	// RequestRetention is how long a request ID is remembered.
	RequestRetention time.Duration `koanf:"request_retention"`
	// DecisionRetention is how long decisions are kept; 0 for not at all.
	DecisionRetention time.Duration `koanf:"decision_retention"`
	// DecisionInputs says of which attempts the input that rules judged is recorded: all,
	// refused or none.
	DecisionInputs string `koanf:"decision_inputs"`
	// AuditInterval is how often the continuous audit looks for what has changed; 0 for no
	// continuous audit.
	AuditInterval time.Duration `koanf:"audit_interval"`
	// BackgroundShare is how much of one processor audits, impacts and replays together
	// take, and BackgroundInFlight how many of their judgements there are at once.
	BackgroundShare    float64 `koanf:"background_share"`
	BackgroundInFlight int     `koanf:"background_in_flight"`
	// DecisionMasking hides what looks like a secret in the documents that are recorded.
	DecisionMasking bool `koanf:"decision_masking"`
	// DecisionLog is where decisions are sent: stdout, paths of files, http and https URLs.
	DecisionLog []string `koanf:"decision_log"`
	// DecisionLogMaxSize is how many megabytes a file may have, DecisionLogMaxDays and
	// DecisionLogMaxFiles how long and how many of those before are kept; 0 for any.
	DecisionLogMaxSize  int `koanf:"decision_log_max_size"`
	DecisionLogMaxDays  int `koanf:"decision_log_max_days"`
	DecisionLogMaxFiles int `koanf:"decision_log_max_files"`
	// DecisionLogTokenFile has the bearer token for the URLs, DecisionLogCACert the
	// authorities to trust.
	DecisionLogTokenFile string `koanf:"decision_log_token_file"`
	DecisionLogCACert    string `koanf:"decision_log_ca_cert"`
	// DecisionLogLabels are labels of all events, each as KEY=VALUE.
	DecisionLogLabels []string `koanf:"decision_log_labels"`
	// DecisionLimit is how much room decisions may take, such as 2GiB.
	DecisionLimit string `koanf:"decision_limit"`
	// EventLimit is how many revisions' events are kept; 0 for all.
	EventLimit int `koanf:"event_limit"`
	// ShutdownTimeout bounds how long a stop waits for requests in flight.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"`
	// LogFormat is text or json, LogLevel debug, info, warn or error.
	LogFormat string `koanf:"log_format"`
	LogLevel  string `koanf:"log_level"`
}

// minDecisionLimit leaves room for some thousands of decisions.
const minDecisionLimit = 16 << 20

// None is the policies or validators path that means: judge nothing.
const None = "none"

// maxBackgroundShare bounds the processors, and the judgements at once, of work in the
// background.
const maxBackgroundShare = 256

// DefaultListen is the default address: the port is the year of the Merchant
// Shipping Act that made the load line compulsory.
const DefaultListen = "127.0.0.1:1876"

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Listen:             DefaultListen,
		Data:               "/var/lib/plimsoll",
		DefaultNamespace:   "default",
		DefaultSnapshotter: "overlayfs",
		PolicyPoll:         time.Minute,
		ExemptionLimit:     service.DefaultExemptionLimit,
		PolicyTimeout:      time.Second,
		MutationTimeout:    10 * time.Second,
		MaxInFlight:        256,
		RequestRetention:   10 * time.Minute,
		DecisionRetention:  24 * time.Hour,
		DecisionInputs:     string(service.InputsAll),
		AuditInterval:      5 * time.Second,
		BackgroundShare:    0.5,
		BackgroundInFlight: 1,
		DecisionMasking:    true,
		DecisionLogMaxSize: 100, DecisionLogMaxFiles: 10,
		DecisionLimit:   "2GiB",
		EventLimit:      1_000_000,
		ShutdownTimeout: 20 * time.Second,
		LogFormat:       "text",
		LogLevel:        "info",
	}
}

// AddFlags adds a flag for each value of Config, and --config. d are the defaults
// that their help shows: those of [LoadConfig].
func AddFlags(flags *pflag.FlagSet, d Config) {
	flags.String("config", "", "YAML `file` with any of these settings; keys as the flags, with _ for -")
	flags.String("listen", d.Listen, "TCP `address` to serve on; port 0 picks a free one")
	flags.String("socket", d.Socket, "`path` of a unix socket to serve on too (mode 0600)")
	flags.String("data", d.Data, "`directory` of the database")
	flags.StringSlice("policies", nil, "`path` of Rego policies: a directory, file or bundle tarball, or an oci:// or https:// URL of one; repeatable\n(default: the embedded starter set; none: judge nothing)")
	flags.StringSlice("policy-keys", nil, "PEM `file` with a public key, with one of which all policies but embedded ones must then be signed; repeatable\n(default: none: signatures are not looked at)")
	flags.String("policy-scope", d.PolicyScope, "`scope` that signatures of policies must have")
	flags.Duration("policy-poll", d.PolicyPoll, "how often policies and validators are looked at again; files are also watched")
	flags.Bool("policy-plain-http", d.PolicyPlainHTTP, "fetch policies and validators over plain HTTP from beyond loopback")
	flags.StringSlice("policy-grants", nil, "`PACKAGE=NAMESPACE` whose containers a policy package may read besides those of its own; *: all; repeatable\n(default: none)")
	flags.StringSlice("enforcement", nil, "`PACKAGES@NAMESPACES=warn|enforce|canary:PERCENT%`, patterns: what becomes of denials there, such as labels.*@dev-*=warn; repeatable, the first counts\n(default: what the policies say)")
	flags.StringSlice("validators", nil, "`path` of a validators.yaml; repeatable\n(default: the embedded runc spec checker; none: judge nothing)")
	flags.StringSlice("validator-keys", nil, "`file` with a public key of minisign, with one of which all validators but embedded ones must then be signed; repeatable\n(default: none: signatures are not looked at)")
	flags.String("tls-cert", d.TLSCert, "PEM `file` with the certificate; makes TCP speak TLS")
	flags.String("tls-key", d.TLSKey, "PEM `file` with its key")
	flags.Bool("insecure", d.Insecure, "allow plain text beyond loopback")
	flags.StringSlice("cors-origins", nil, "`origin` whose web pages may call, such as https://console.example.com; repeatable\n(default: none)")
	flags.String("default-namespace", d.DefaultNamespace, "`namespace` of requests that name none")
	flags.String("default-snapshotter", d.DefaultSnapshotter, "`snapshotter` of root filesystems that come through containerd.v1, which has none")
	flags.Bool("open-namespace-labels", d.OpenNamespaceLabels, "let anybody change the labels of namespaces, which rules see\n(default: root and the server's user only, on the unix socket)")
	flags.StringSlice("break-glass", nil, "`user`, as decisions name users (uid:0 is root on the unix socket), who may override what rules say with plimsoll-break-glass; repeatable\n(default: nobody)")
	flags.Duration("exemption-limit", d.ExemptionLimit, "how far ahead exemptions from rules may expire")
	flags.Duration("policy-timeout", d.PolicyTimeout, "how long all policies together may take to judge a mutation")
	flags.Duration("mutation-timeout", d.MutationTimeout, "how long a mutation may take from request to commit")
	flags.Int("max-in-flight", d.MaxInFlight, "how many mutations are judged at once; a batch counts as all of its own, but half of this at most")
	flags.Duration("request-retention", d.RequestRetention, "how long a plimsoll-request-id is remembered")
	flags.Duration("decision-retention", d.DecisionRetention, "how long decisions are kept, for plimsoll explain; 0: not at all")
	flags.String("decision-inputs", d.DecisionInputs, "of which attempts what was judged is recorded, secrets apart, to explain and replay them: all, refused or none")
	flags.Duration("audit-interval", d.AuditInterval, "how often the continuous audit of what is stored looks for changes; 0: no continuous audit")
	flags.Float64("background-share", d.BackgroundShare, "how much of one processor audits, impacts and replays take together")
	flags.Int("background-in-flight", d.BackgroundInFlight, "how many judgements of audits, impacts and replays there are at once")
	flags.Bool("decision-masking", d.DecisionMasking, "hide what looks like a secret in what is recorded of decisions")
	flags.StringSlice("decision-log", nil, "`target` to send decisions to: stdout, the path of a file, or an https:// URL; repeatable\n(default: none)")
	flags.Int("decision-log-max-size", d.DecisionLogMaxSize, "how many `megabytes` a file of the decision log may have before another is begun")
	flags.Int("decision-log-max-days", d.DecisionLogMaxDays, "how many days earlier files of the decision log are kept; 0: any")
	flags.Int("decision-log-max-files", d.DecisionLogMaxFiles, "how many earlier files of the decision log are kept; 0: any")
	flags.String("decision-log-token-file", d.DecisionLogTokenFile, "`file` with a bearer token for URLs of the decision log")
	flags.String("decision-log-ca-cert", d.DecisionLogCACert, "PEM `file` with the authority to trust for URLs of the decision log (default: the system's)")
	flags.StringSlice("decision-log-labels", nil, "`KEY=VALUE` that all events of the decision log have in their labels; repeatable\n(default: none)")
	flags.String("decision-limit", d.DecisionLimit, "how many `bytes` of decisions are kept, such as 2GiB; the oldest go first")
	flags.Int("event-limit", d.EventLimit, "how many revisions' events are kept, for watches and histories; 0: all")
	flags.Duration("shutdown-timeout", d.ShutdownTimeout, "how long a stop waits for requests in flight")
	flags.String("log-format", d.LogFormat, "text or json")
	flags.String("log-level", d.LogLevel, "debug, info, warn or error")
}

// clientEnv are the environment variables of the client commands, which are no
// settings of the server.
var clientEnv = []string{"PLIMSOLL_ADDRESS", "PLIMSOLL_NAMESPACE"}

// listKeys are the keys of values that are lists. In the environment commas part
// them.
var listKeys = []string{"policies", "policy_grants", "policy_keys", "enforcement", "validators", "validator_keys", "cors_origins", "break_glass", "decision_log", "decision_log_labels"}

// LoadConfig merges defaults, file, environment and flags that were given, and
// validates the result. The error reports every problem, one a line. An environment
// variable that is empty counts as not set. Those that start with PLIMSOLL_ and are
// no setting are returned as strays, for a warning: orchestrators set such variables
// on their own.
func LoadConfig(flags *pflag.FlagSet, defaults Config) (config Config, strays []string, err error) {
	k := koanf.New(".")
	known := knownKeys()
	if path := configPath(flags); path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return config, nil, fmt.Errorf("configuration file %s: %w", path, err)
		}
		var problems []error
		for _, key := range k.Keys() {
			if !slices.Contains(known, key) {
				problems = append(problems, fmt.Errorf("configuration file %s: unknown key %q%s", path, key, didYouMean(key, known)))
			}
		}
		for _, problem := range checkEnforcementKeys(k.Get("enforcement")) {
			problems = append(problems, fmt.Errorf("configuration file %s: %w", path, problem))
		}
		if err := errors.Join(problems...); err != nil {
			return config, nil, err
		}
	}
	err = k.Load(env.Provider(".", env.Opt{
		Prefix: "PLIMSOLL_",
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ToLower(strings.TrimPrefix(name, "PLIMSOLL_"))
			switch {
			case value == "" || slices.Contains(clientEnv, name) || name == "PLIMSOLL_CONFIG":
				return "", nil
			case !slices.Contains(known, key):
				strays = append(strays, name)
				return "", nil
			case slices.Contains(listKeys, key):
				return key, strings.Split(value, ",")
			}
			return key, value
		},
	}), nil)
	if err != nil {
		return config, nil, fmt.Errorf("environment: %w", err)
	}
	changed := map[string]any{}
	flags.VisitAll(func(f *pflag.Flag) {
		if key := strings.ReplaceAll(f.Name, "-", "_"); f.Changed && slices.Contains(known, key) {
			changed[key] = posflag.FlagVal(flags, f)
		}
	})
	if err := k.Load(confmap.Provider(changed, ""), nil); err != nil {
		return config, nil, fmt.Errorf("flags: %w", err)
	}
	slices.Sort(strays)
	if config, err = decode(k, defaults); err != nil {
		return config, strays, err
	}
	return config, strays, config.Validate()
}

func configPath(flags *pflag.FlagSet) string {
	if path, err := flags.GetString("config"); err == nil && path != "" {
		return path
	}
	return os.Getenv("PLIMSOLL_CONFIG")
}

// knownKeys are the keys of Config: those of the flags.
func knownKeys() []string {
	var keys []string
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(flags, DefaultConfig())
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" {
			keys = append(keys, strings.ReplaceAll(f.Name, "-", "_"))
		}
	})
	return keys
}

func didYouMean(key string, known []string) string {
	best, distance := "", 4
	for _, k := range known {
		if d := levenshtein.ComputeDistance(key, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return "; known are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// Validate reports every problem, one a line.
func (c Config) Validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if host, _, err := net.SplitHostPort(c.Listen); err != nil {
		problem("listen: %q is not an address such as %s", c.Listen, DefaultListen)
	} else if !c.Insecure && c.TLSCert == "" && !isLoopback(host) {
		problem("listen: %s is reachable from other machines, where plain text is refused: give tls-cert and tls-key, or allow it with insecure", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		problem("tls-cert and tls-key: one is useless without the other; give both")
	}
	if len(c.Socket) > maxSocketPath {
		problem("socket: the path has %d bytes, and the system allows %d; choose a shorter one", len(c.Socket), maxSocketPath)
	}
	if c.Data == "" {
		problem("data: it is empty; name the directory of the database")
	}
	if err := identifiers.Validate(c.DefaultNamespace); err != nil {
		problem("default-namespace: %s", strings.TrimSuffix(err.Error(), ": invalid argument"))
	}
	if err := identifiers.Validate(c.DefaultSnapshotter); err != nil {
		problem("default-snapshotter: %s", strings.TrimSuffix(err.Error(), ": invalid argument"))
	}
	for name, paths := range map[string][]string{"policies": c.Policies, "validators": c.Validators} {
		if slices.Contains(paths, None) && len(paths) > 1 {
			problem("%s: %q stands alone; leave it out to have the others enforced", name, None)
		}
		if slices.Contains(paths, "") {
			problem("%s: a path is empty", name)
		}
	}
	if _, err := c.grants(); err != nil {
		problems = append(problems, err)
	}
	problems = append(problems, c.checkEnforcement()...)
	problems = append(problems, c.checkPolicySources()...)
	for _, origin := range c.CORSOrigins {
		if origin == "*" {
			problem("cors-origins: * would let every web page on the internet call, by way of whoever visits it; name the origins")
		} else if !isOrigin(origin) {
			problem("cors-origins: %q is not an origin as browsers send it, such as https://console.example.com: http or https, a host in lower case, a port unless it is the usual one, no path", origin)
		}
	}
	for name, d := range map[string]time.Duration{
		"policy-timeout": c.PolicyTimeout, "policy-poll": c.PolicyPoll, "mutation-timeout": c.MutationTimeout, "request-retention": c.RequestRetention, "shutdown-timeout": c.ShutdownTimeout, "exemption-limit": c.ExemptionLimit,
	} {
		if d <= 0 {
			problem("%s: must be more than 0", name)
		}
	}
	if slices.Contains(c.BreakGlass, "") {
		problem("break-glass: a user is empty, as anonymous callers are, who may not be let override anything")
	}
	if len(c.BreakGlass) > 0 && c.DecisionRetention == 0 {
		problem("break-glass: nobody can use it with decision-retention 0, because each use must be recorded")
	}
	if c.MaxInFlight < 1 {
		problem("max-in-flight: must be at least 1")
	}
	problems = append(problems, c.checkSinks()...)
	if c.DecisionRetention < 0 {
		problem("decision-retention: cannot be negative; 0 keeps none")
	}
	if !slices.Contains([]string{string(service.InputsAll), string(service.InputsRefused), string(service.InputsNone)}, c.DecisionInputs) {
		problem("decision-inputs: %q is none of all, refused and none", c.DecisionInputs)
	}
	if c.AuditInterval < 0 {
		problem("audit-interval: cannot be negative; 0 switches the continuous audit off")
	}
	if !(c.BackgroundShare > 0) || c.BackgroundShare > maxBackgroundShare {
		problem("background-share: must be more than 0, and at most %d", maxBackgroundShare)
	}
	if c.BackgroundInFlight < 1 || c.BackgroundInFlight > maxBackgroundShare {
		problem("background-in-flight: must be at least 1, and at most %d", maxBackgroundShare)
	}
	if limit, err := humanize.ParseBytes(c.DecisionLimit); err != nil || limit < minDecisionLimit {
		problem("decision-limit: %q must be a number of bytes such as 2GiB, and at least 16MiB; --decision-retention 0 keeps none", c.DecisionLimit)
	}
	if c.EventLimit < 0 {
		problem("event-limit: cannot be negative; 0 keeps all")
	}
	if _, err := newLogger(nil, c.LogFormat, c.LogLevel); err != nil {
		problems = append(problems, err)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// grants are the namespaces of PolicyGrants by package.
func (c Config) grants() (map[string][]string, error) {
	grants := map[string][]string{}
	for _, grant := range c.PolicyGrants {
		pkg, namespace, ok := strings.Cut(grant, "=")
		if !ok || pkg == "" || namespace != plimsoll.AllNamespaces && identifiers.Validate(namespace) != nil {
			return nil, fmt.Errorf("policy-grants: %q is not of the form PACKAGE=NAMESPACE, such as labels.unique=shared or labels.unique=*", grant)
		}
		grants[pkg] = append(grants[pkg], namespace)
	}
	return grants, nil
}

// Host and port of an origin: a name (not in Unicode, browsers send Punycode), an
// IPv4 address, or an IPv6 address in brackets.
var originHost = regexp.MustCompile(`^([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]*)?$`)

// isOrigin reports whether a browser could send origin. Any other would be
// compared in vain.
func isOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && origin == u.Scheme+"://"+u.Host && originHost.MatchString(u.Host) &&
		(u.Scheme == "http" && u.Port() != "80" || u.Scheme == "https" && u.Port() != "443")
}

// maxSocketPath is what fits into sun_path of Linux's struct sockaddr_un.
const maxSocketPath = 107

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
