// A JavaScript validator is this engine with a script in it: QuickJS behind the exports of
// Plimsoll's ABI v1. Nothing here knows what the script checks.
//
// The build runs wizer_initialize once, with the script as standard input, and wizer keeps
// the memory that it leaves behind as the module's own: QuickJS is up and the script has
// been evaluated before the first call.
//
// The script is an ordinary one, no module, and defines
//
//	function validate(request) { return { violations: [], warnings: [] } }
//	function validateSettings(settings) { return { violations: [] } }    // optional
//
// which get a parsed document and return a verdict. What they throw is a fault of the
// validator, so they trap. Nothing is ever freed: the host puts memory back after a call.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "quickjs.h"

#define EXPORT(name) __attribute__((export_name(name)))

// How deep a document may nest, for QuickJS parses JSON by recursion, and how many values
// it may have, as each costs a thousand instructions. Specs have some hundred.
enum { max_depth = 256, max_values = 20000 };

// How much of the stack, which has four times as much, scripts may use, in bytes.
enum { script_stack = 64 << 10 };

static JSContext *ctx;
static JSValue validate, validate_settings;

// QuickJS seeds Math.random with the time. The same script is to build the same bytes, and
// the same request to get the same verdict, so it is always the same.
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	(void)zone;
	*now = (struct timeval){.tv_sec = 946684800};
	return 0;
}

// fail ends a build with a message, and a call with a trap.
static void fail(const char *what) {
	JSValue exception = JS_GetException(ctx);
	const char *why = JS_ToCString(ctx, exception);
	fprintf(stderr, "%s: %s\n", what, why ? why : "no memory");
	abort();
}

static char *read_all(FILE *file, size_t *length) {
	size_t room = 1 << 20;
	char *text = malloc(room);
	*length = text ? fread(text, 1, room - 1, file) : 0;
	if (!text || !feof(file)) {
		fputs("the script is longer than 1 MiB\n", stderr);
		abort();
	}
	text[*length] = 0; // QuickJS looks for it
	return text;
}

EXPORT("wizer-initialize") void wizer_initialize(void) {
	JSRuntime *runtime = JS_NewRuntime();
	JS_SetMaxStackSize(runtime, script_stack);
	ctx = JS_NewContext(runtime);

	size_t length;
	char *script = read_all(stdin, &length);
	if (JS_IsException(JS_Eval(ctx, script, length, "validator.js", JS_EVAL_FLAG_STRICT)))
		fail("the script");
	free(script);

	JSValue global = JS_GetGlobalObject(ctx);
	validate = JS_GetPropertyStr(ctx, global, "validate");
	validate_settings = JS_GetPropertyStr(ctx, global, "validateSettings");
	if (!JS_IsFunction(ctx, validate)) {
		fputs("the script defines no function validate\n", stderr);
		abort();
	}
	JS_RunGC(runtime);
}

EXPORT("plimsoll_abi_1") void plimsoll_abi_1(void) {}

EXPORT("plimsoll_alloc") char *plimsoll_alloc(uint32_t size) {
	char *document = malloc((size_t)size + 1);
	if (document)
		document[size] = 0; // QuickJS looks for it
	return document;
}

static uint64_t give(const char *verdict, size_t length) {
	return (uint64_t)(uintptr_t)verdict << 32 | length;
}

static int too_much(const char *document, uint32_t length) {
	int depth = 0, values = 0, in_string = 0;
	for (uint32_t i = 0; i < length; i++) {
		char c = document[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = 0;
		} else if (c == '"') {
			in_string = 1;
		} else if (c == '{' || c == '[') {
			if (++depth > max_depth)
				return 1;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == ',') {
			if (++values > max_values)
				return 1;
		}
	}
	return 0;
}

// The document is the caller's: one that cannot be read is refused, and no fault.
static const char unreadable[] =
	"{\"violations\":[{\"msg\":\"the document cannot be read: it is malformed, nests too deep, or has too many values\","
	"\"code\":\"json.unreadable\",\"fix\":\"write plain JSON\"}]}";

static uint64_t judge(JSValue function, const char *document, uint32_t length) {
	// The stack is measured from here, not from where it was when the module was built.
	JS_UpdateStackTop(JS_GetRuntime(ctx));
	if (too_much(document, length))
		return give(unreadable, sizeof unreadable - 1);
	JSValue parsed = JS_ParseJSON(ctx, document, length, "document");
	if (JS_IsException(parsed))
		return give(unreadable, sizeof unreadable - 1);
	JSValue verdict = JS_Call(ctx, function, JS_UNDEFINED, 1, &parsed);
	if (JS_IsException(verdict))
		fail("the script threw");
	JSValue text = JS_JSONStringify(ctx, verdict, JS_UNDEFINED, JS_UNDEFINED);
	size_t size;
	const char *bytes = JS_ToCStringLen(ctx, &size, text);
	if (JS_IsException(text) || !bytes)
		fail("the verdict");
	return give(bytes, size);
}

EXPORT("plimsoll_validate") uint64_t plimsoll_validate(const char *request, uint32_t length) {
	return judge(validate, request, length);
}

EXPORT("plimsoll_validate_settings") uint64_t plimsoll_validate_settings(const char *settings, uint32_t length) {
	static const char valid[] = "{\"violations\":[]}";
	if (!JS_IsFunction(ctx, validate_settings))
		return give(valid, sizeof valid - 1);
	return judge(validate_settings, settings, length);
}
