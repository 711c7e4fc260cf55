// QuickJS as a validator: it runs the function validate of a script. The script is not part
// of this module: package js appends it, as data at script. When the module is initialized
// the script is evaluated, and what that leaves behind is the state that every call starts
// from.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"

#define EXPORT(name) __attribute__((export_name(name)))

// The script, and a zero after it. The address is a global that the module exports.
#define SCRIPT_SIZE (256 << 10)
char script[SCRIPT_SIZE];

// The verdict on a request that is no JSON: what cannot be read is denied.
static const char unreadable[] =
	"{\"violations\":[{\"msg\":\"the request is not JSON that can be read\",\"field\":\"spec\","
	"\"code\":\"UNREADABLE\",\"fix\":\"make it JSON in UTF-8 that does not nest too deep\"}]}";

static JSContext *context;
static JSValue validate;

// fail tells standard error, which only tools show, what was thrown, and traps.
static void fail(void) {
	JSValue error = JS_GetException(context);
	const char *text = JS_ToCString(context, error);
	fprintf(stderr, "%s\n", text ? text : "something that is no text was thrown");
	if (JS_IsError(context, error)) {
		JSValue stack = JS_GetPropertyStr(context, error, "stack");
		const char *where = JS_ToCString(context, stack);
		fputs(where ? where : "", stderr);
	}
	abort();
}

__attribute__((constructor)) static void start(void) {
	JSRuntime *runtime = JS_NewRuntime();
	context = runtime ? JS_NewContext(runtime) : NULL;
	if (!context) abort();
	JS_SetMaxStackSize(runtime, 160 << 10); // of 256 KiB: C functions need some, too
	JS_SetGCThreshold(runtime, -1);         // a call's memory is given back as a whole
	JSValue result = JS_Eval(context, script, strlen(script), "validator.js", JS_EVAL_TYPE_GLOBAL);
	if (JS_IsException(result)) fail();
	JSValue global = JS_GetGlobalObject(context);
	validate = JS_GetPropertyStr(context, global, "validate");
	if (!JS_IsFunction(context, validate)) {
		fputs("validator.js has no function validate\n", stderr);
		abort();
	}
}

EXPORT("plimsoll_abi_1") void marker(void) {}

EXPORT("plimsoll_alloc") char *alloc(uint32_t n) {
	char *request = malloc((size_t)n + 1);
	if (!request) abort();
	request[n] = 0; // which JS_ParseJSON wants
	return request;
}

EXPORT("plimsoll_validate") uint64_t judge(const char *request, uint32_t n) {
	JSValue document = JS_ParseJSON(context, request, n, "request");
	if (JS_IsException(document)) return (uint64_t)(uintptr_t)unreadable << 32 | (sizeof unreadable - 1);
	JSValue verdict = JS_Call(context, validate, JS_UNDEFINED, 1, &document);
	if (JS_IsException(verdict)) fail();
	JSValue text = JS_JSONStringify(context, verdict, JS_UNDEFINED, JS_UNDEFINED);
	size_t len = 0;
	const char *out = JS_IsString(text) ? JS_ToCStringLen(context, &len, text) : NULL;
	if (!out) {
		if (JS_IsException(text)) fail();
		fputs("validate returned no verdict\n", stderr);
		abort();
	}
	return (uint64_t)(uintptr_t)out << 32 | len;
}
