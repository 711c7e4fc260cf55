// Package abi is version 1 of the native contract between Plimsoll and a validator: a
// WebAssembly module that judges one container at a time. This page is all that is
// needed to write a validator in any language, or another host. The other contracts,
// see [Kind], are in docs/abi.md; they have the request and the verdict in common.
//
// # Exports
//
// A validator exports, and the host checks without running it:
//
//	plimsoll_abi_1             func ()                the marker; never called
//	memory                     the linear memory that requests and verdicts lie in
//	plimsoll_alloc             func (size i32) i32    or malloc, the same
//	                                                  or cabi_realloc (i32 i32 i32 i32) i32
//	plimsoll_validate          func (ptr i32, len i32) i64
//	_initialize                func ()                optional
//	plimsoll_validate_settings func (ptr i32, len i32) i64   optional
//
// The marker says which version of this contract the module was written for. A
// module with another marker is refused, not guessed at. A module with a start
// section is refused.
//
// # A call
//
//	host                                         guest
//	 │  ─ plimsoll_alloc(len) ────────────────►  reserves len bytes
//	 │  ◄──────────────────────────────── ptr ─  never 0
//	 │  writes the request to memory[ptr:ptr+len]
//	 │  ─ plimsoll_validate(ptr, len) ────────►  reads the request, judges it,
//	 │                                           writes a verdict anywhere in memory
//	 │  ◄──────────────── out<<32 | outlen ─     its address and length
//	 │  copies memory[out:out+outlen]
//	 │  restores memory and globals to what they were before the call
//
// Memory is the guest's own, always. The host writes to the request buffer alone,
// between alloc and validate, and only reads the verdict. Nobody frees anything:
// the request buffer, the verdict and all else a call allocated are gone when the
// host restores the instance, so a guest may leak freely and a bump allocator is
// enough. Nothing a guest keeps in memory or in a global survives the call: what
// one request put there cannot reach another one.
//
// _initialize is called once, before anything else, and what it leaves behind is
// the state that every call starts from: the place to parse tables or start a
// language's runtime. Further instances may be made by copying that state, so it
// must not depend on being run in each.
//
// # The request
//
// One JSON object: the input document that policies see as well, and one member
// more, settings, last:
//
//	{"version": 1, "operation": "CREATE", "namespace": "default", "namespace_labels": {}, "dry_run": false,
//	 "user": {"name": "", "groups": [], "via": "unix"}, "update_mask": [], "request_id": "",
//	 "object": {"id": "web", "labels": {"team": "core"}, "image": "docker.io/library/nginx:1",
//	            "runtime": "io.containerd.runc.v2", "runtime_options_type": "", "runtime_options": {},
//	            "rootfs": "web", "snapshotter": "overlayfs", "extension_types": {}, "extensions": {},
//	            "sandbox_id": "",
//	            "spec_type": "types.containerd.io/opencontainers/runtime-spec/1/Spec",
//	            "spec": {"ociVersion": "1.2.0", "process": {"args": ["nginx"]}}},
//	 "old_object": null,
//	 "settings": {}}
//
// operation is CREATE, UPDATE or DELETE. object is the container as it would be
// stored, on DELETE the one to be removed; old_object the stored one, or null.
// spec is, byte for byte, the payload that will be stored if that is a JSON object,
// and {"base64": "…"} otherwise; so are the values of extensions, and runtime_options,
// unless there are none, or they are of a type that the host can show. The spec comes
// from whoever makes the request: its strings, depth and member order are theirs,
// members may be duplicated, and a validator should refuse what it cannot read.
// settings are those of the binding, {} if it has none. Members may be added to
// the document within version 1, so ignore those you do not know.
//
// A module whose metadata say what it reads is given that alone, and version: with
// "reads": ["operation", "object.spec"] a request is
//
//	{"version": 1, "operation": "CREATE", "object": {"spec": {"ociVersion": "1.2.0"}}, "settings": {}}
//
// Such a module is not called for a request that is, byte for byte, one it has judged
// before: the verdict is the same.
//
// # The verdict
//
// One JSON object in UTF-8:
//
//	{"violations": [{"msg": "cwd is not absolute", "field": "spec.process.cwd",
//	                 "code": "CWD", "fix": "start it with /"}],
//	 "warnings":   []}
//
// violations must be there and be an array; an empty one means valid. Each member
// has a msg that is not blank, and may have field (a path into object), code (a
// stable name for this kind of violation) and fix (what would be right). warnings
// have the same shape, may be left out, and do not deny. Anything else is a fault
// of the validator and denies the request: null, an unknown or duplicate member,
// invalid UTF-8, more than [MaxFindings] findings, more bytes than the binding
// allows, a result of 0, a range that is not inside memory, a trap.
//
// plimsoll_validate_settings has the same signature as plimsoll_validate. If it is
// there, it is called when the binding is loaded, with the settings alone as the
// request, and every violation it returns is an error in the configuration; field
// is then a path into the settings.
//
// # The surroundings
//
// A validator needs no imports. So that languages whose standard library speaks
// WASI can be used, functions of wasi_snapshot_preview1 may be imported; there are
// no files, arguments, variables or sockets behind them, standard input is empty,
// output is thrown away, and exiting is a fault. The clock starts at the same
// instant on every call and moves a microsecond at each reading; random numbers
// are the same on every call. Any other import is refused. A verdict is therefore
// a function of the request alone.
//
// Memory, executed instructions, call depth and output are bounded, see the
// binding's limits. A guest whose memory.grow is refused gets -1; one that runs out
// of instructions is stopped, and the request fails as out of time.
//
// # Metadata
//
// The custom section plimsoll.validator says, as JSON, what a module is: see
// plugins.Metadata.
//
// # Smallest validator
//
// In C, built with clang --target=wasm32 -nostdlib -O2 -Wl,--no-entry; it finds
// every container valid:
//
//	__attribute__((export_name("plimsoll_abi_1"))) void abi(void) {}
//
//	static char heap[1 << 20];
//	__attribute__((export_name("plimsoll_alloc"))) void *alloc(unsigned n) {
//		return n <= sizeof heap ? heap : 0;
//	}
//
//	static const char valid[] = "{\"violations\":[]}";
//	__attribute__((export_name("plimsoll_validate")))
//	unsigned long long validate(const char *request, unsigned len) {
//		return (unsigned long long)(unsigned long)valid << 32 | (sizeof valid - 1);
//	}
//
// This package holds the contract's constants and codec. It runs nothing and knows
// no wasm engine. Everything in it is safe for concurrent use.
package abi
