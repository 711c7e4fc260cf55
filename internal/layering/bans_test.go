package layering

// A ban keeps packages from being imported, directly or through others.
//
// Patterns are those of the go command, with "*" for a part of one path element:
// "./service/..." is that package of this module and all below it,
// "./storage/*store/..." every store, and "!std" all but the standard library.
// A package never offends against a ban that names its own part: from
// "./storage/*store/..." to "./storage/*store/..." forbids a store the others,
// not its own subpackages.
type ban struct {
	from   []string
	banned []string
	unless []string // of the banned ones, those that are allowed
	direct bool     // only imports by the package itself count
	reason string
}

const (
	badger = "github.com/dgraph-io/badger/..."
	wazero = "github.com/tetratelabs/wazero/..."
	opa    = "github.com/open-policy-agent/opa/..."
)

var bans = []ban{
	{
		from:   []string{"."},
		banned: []string{"!std"},
		reason: "every package speaks the vocabulary, so it may cost nothing and owe nothing to a library",
	},
	{
		from:   []string{"./gen/..."},
		banned: []string{"./..."},
		reason: "generated code is the wire; clients import it without the server",
	},
	{
		from:   []string{"./storage"},
		banned: []string{"./storage/...", "./service/...", "./policy/...", "./plugins/...", badger, wazero, opa},
		reason: "the contract of a store knows none of the stores, nor who uses it",
	},
	{
		from:   []string{"./service/..."},
		banned: []string{"./storage/*store/...", "./policy/...", "./plugins/...", badger, wazero, opa},
		reason: "the pipeline is the same whatever judges and stores; it asks for interfaces",
	},
	{
		from:   []string{"./policy/..."},
		banned: []string{"./storage/...", "./service/...", "./plugins/...", badger, wazero},
		reason: "policies judge what they are given; they neither store nor serve (OPA's own disk store would bring Badger in)",
	},
	{
		from:   []string{"./plugins/..."},
		banned: []string{"./storage/...", "./service/...", "./policy/...", badger},
		reason: "validators judge what they are given; they neither store nor serve",
	},
	{
		from:   []string{"./plugins", "./plugins/abi/...", "./plugins/conform/...", "./plugins/internal/wasm/..."},
		banned: []string{opa},
		direct: true,
		reason: "compiled Rego policies call OPA's builtins; plugins/internal/rego gives them these, and nothing else there knows OPA",
	},
	{
		from:   []string{"./plugins/abi/..."},
		banned: []string{"./plugins/...", wazero},
		reason: "the wire contract is for guests and tools as well, which have no use for a host",
	},
	{
		from:   []string{"./storage/*store/..."},
		banned: []string{"./storage/*store/...", "./service/...", "./policy/...", "./plugins/...", wazero, opa},
		reason: "a store can be replaced only if nothing grows around it",
	},
	{
		from:   []string{"./storage/memstore/..."},
		banned: []string{badger},
		reason: "the store that tests of other packages use is small",
	},
	{
		from:   []string{".", "./gen/...", "./storage/...", "./service/...", "./policy/...", "./plugins/..."},
		banned: []string{"./internal/server/...", "./cmd/..."},
		reason: "the wiring imports the parts, never the other way round",
	},
	{
		from:   []string{"./internal/bundles/..."},
		banned: []string{"./...", badger, wazero, opa},
		reason: "it carries bytes; what is in them, and who signed it, is for packages policy and plugins",
	},
	{
		from:   []string{"./internal/masking"},
		banned: []string{"./...", badger, wazero, opa},
		reason: "what hides secrets is used by whoever shows anything, so it may know none of them",
	},
	{
		from:   []string{"./internal/server/..."},
		banned: []string{badger, wazero, opa},
		direct: true,
		reason: "the wiring speaks to the parts, each of which hides its library",
	},
	{
		from:   []string{"./cmd/..."},
		banned: []string{"./policy/...", "./plugins/...", "./storage/*store/...", badger, wazero, opa},
		unless: []string{"./plugins/abi/..."},
		direct: true,
		reason: "commands speak to a server in the service's own terms, or have internal/server put the parts together",
	},
	{
		from:   []string{"./storage/*store/...", "./service/...", "./policy/...", "./plugins/...", "./internal/server/...", "./cmd/..."},
		banned: []string{"./storage/storagetest/..."},
		reason: "the suite of the stores is for tests; the server does not carry it",
	},
}
