// A validator that is an ordinary program: it reads a request from its standard input,
// looks for secrets in the container, and prints what it found to its standard output.
// Run it by hand: env-secrets validate < request.json
//
// It looks at every text of the object, so it does not matter where somebody puts a
// secret, nor how often, nor in which case the members of the spec are written.
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include "/usr/include/jsmn.h"

enum { MAX_FINDINGS = 50, MAX_PATH = 256, MAX_DEPTH = 64 };

// --- the document ---

static char *text; // the request
static size_t length;
static jsmntok_t *tokens;
static int count;

static bool read_all(void) {
	size_t size = 64 << 10;
	text = malloc(size);
	while (text) {
		size_t n = fread(text + length, 1, size - length, stdin);
		if (n == 0) return true;
		length += n;
		if (length == size) text = realloc(text, size *= 2);
	}
	return false;
}

static bool parse(void) {
	jsmn_parser parser;
	jsmn_init(&parser);
	count = jsmn_parse(&parser, text, length, NULL, 0);
	if (count <= 0) return false;
	tokens = malloc(sizeof *tokens * (size_t)count);
	if (!tokens) return false;
	jsmn_init(&parser);
	return jsmn_parse(&parser, text, length, tokens, (unsigned)count) == count && tokens[0].type == JSMN_OBJECT;
}

// is tells whether a token is that word.
static bool is(int t, const char *word) {
	size_t n = strlen(word);
	return (size_t)(tokens[t].end - tokens[t].start) == n && memcmp(text + tokens[t].start, word, n) == 0;
}

// is_key tells whether a token is the name of a member.
static bool is_key(int t) {
	int parent = tokens[t].parent;
	return parent >= 0 && tokens[t].type == JSMN_STRING && tokens[parent].type == JSMN_OBJECT;
}

// member returns the value of a member of the object at t, or -1.
static int member(int t, const char *name) {
	for (int i = t + 1; i < count && tokens[i].start < tokens[t].end; i++)
		if (tokens[i].parent == t && is(i, name) && tokens[i].size > 0) return i + 1;
	return -1;
}

static int hex(const char *p) {
	int v = 0;
	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)p[i])) return -1;
		v = v * 16 + (isdigit((unsigned char)p[i]) ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
	}
	return v;
}

// decode writes the text of a string without its escapes to out and returns how long
// that is. What is not ASCII in an escape becomes 0x80: no secret has it.
static size_t decode(int t, char *out) {
	const char *p = text + tokens[t].start, *end = text + tokens[t].end;
	char *o = out;
	while (p < end) {
		if (*p != '\\' || p + 1 == end) {
			*o++ = *p++;
			continue;
		}
		char c = p[1];
		p += 2;
		switch (c) {
		case 'n': *o++ = '\n'; break;
		case 't': *o++ = '\t'; break;
		case 'r': *o++ = '\r'; break;
		case 'b': *o++ = '\b'; break;
		case 'f': *o++ = '\f'; break;
		case 'u': {
			int v = end - p >= 4 ? hex(p) : -1;
			if (v >= 0) p += 4;
			*o++ = v >= 0 && v < 0x80 ? (char)v : (char)0x80;
			break;
		}
		default: *o++ = c;
		}
	}
	return (size_t)(o - out);
}

// --- the detectors ---

typedef bool charset(int);

static bool upper(int c) { return isupper(c) || isdigit(c); }
static bool word(int c) { return isalnum(c); }
static bool wordly(int c) { return isalnum(c) || c == '_' || c == '-'; }
static bool printable(int c) { return isprint(c); }

// A token is a prefix and some characters after it.
static const struct {
	const char *code, *what, *prefix;
	charset *set;
	size_t least;
} formats[] = {
	{"aws-access-key", "an AWS access key", "AKIA", upper, 16},
	{"aws-access-key", "an AWS access key", "ASIA", upper, 16},
	{"github-token", "a GitHub token", "ghp_", word, 36},
	{"github-token", "a GitHub token", "gho_", word, 36},
	{"github-token", "a GitHub token", "ghu_", word, 36},
	{"github-token", "a GitHub token", "ghs_", word, 36},
	{"github-token", "a GitHub token", "ghr_", word, 36},
	{"github-token", "a GitHub token", "github_pat_", wordly, 22},
	{"gitlab-token", "a GitLab token", "glpat-", wordly, 20},
	{"slack-token", "a Slack token", "xoxb-", wordly, 10},
	{"slack-token", "a Slack token", "xoxp-", wordly, 10},
	{"slack-token", "a Slack token", "xoxa-", wordly, 10},
	{"slack-token", "a Slack token", "xoxs-", wordly, 10},
	{"stripe-key", "a Stripe key", "sk_live_", word, 16},
	{"stripe-key", "a Stripe key", "rk_live_", word, 16},
	{"google-api-key", "a Google API key", "AIza", wordly, 35},
	{"npm-token", "an npm token", "npm_", word, 36},
};

enum { FORMATS = sizeof formats / sizeof *formats };

// begins are the characters that a secret may begin with.
static bool begins[256];

static void prepare(void) {
	for (int i = 0; i < FORMATS; i++) begins[(unsigned char)*formats[i].prefix] = true;
	begins['e'] = begins['-'] = begins[':'] = true;
}

static size_t run(const char *p, const char *end, charset *set) {
	const char *q = p;
	while (q < end && set((unsigned char)*q)) q++;
	return (size_t)(q - p);
}

static bool starts(const char *p, const char *end, const char *prefix) {
	size_t n = strlen(prefix);
	return (size_t)(end - p) >= n && memcmp(p, prefix, n) == 0;
}

// jwt tells whether p begins a JSON Web Token: three parts, two of them JSON objects.
static bool jwt(const char *p, const char *end) {
	for (int part = 0; part < 3; part++) {
		if (part < 2 && !starts(p, end, "eyJ")) return false;
		size_t n = run(p, end, wordly);
		if (n < 10) return false;
		p += n;
		if (part < 2 && (p == end || *p++ != '.')) return false;
	}
	return true;
}

// url_password tells whether there is a password in the URL whose :// is at p.
static bool url_password(const char *p, const char *end) {
	const char *colon = NULL;
	for (p += 3; p < end && !isspace((unsigned char)*p) && *p != '/' && *p != '?' && *p != '#'; p++) {
		if (*p == ':' && !colon) colon = p;
		if (*p == '@') return colon && p > colon + 1 && colon[1] != '$';
	}
	return false;
}

// named tells whether p is NAME=value with a name that says that the value is secret,
// and a value that is not the path of a file that has it.
static bool named(const char *p, const char *end) {
	static const char *words[] = {"PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "API_KEY", "PRIVATE_KEY", "CREDENTIAL"};
	const char *equals = memchr(p, '=', (size_t)(end - p));
	if (!equals || equals == p || equals - p > 128 || equals + 1 == end || equals[1] == '/' || equals[1] == '$') return false;
	char name[129];
	size_t n = (size_t)(equals - p);
	for (size_t i = 0; i < n; i++) name[i] = (char)toupper((unsigned char)p[i]);
	name[n] = 0;
	if (n > 5 && (strcmp(name + n - 5, "_FILE") == 0 || strcmp(name + n - 5, "_PATH") == 0)) return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(name, words[i])) return true;
	return false;
}

// --- the verdict ---

static int settings; // the token of settings.ignore, or -1
static int findings;

static bool ignored(const char *code) {
	if (settings < 0) return false;
	for (int i = settings + 1; i < count && tokens[i].start < tokens[settings].end; i++)
		if (is(i, code)) return true;
	return false;
}

// path writes where a token is in the object, such as spec.process.env[2].
static void path(int t, char *out) {
	int steps[MAX_DEPTH], n = 0;
	for (int i = t; i > 0 && tokens[i].parent > 0 && n < MAX_DEPTH; i = tokens[i].parent)
		if (is_key(i) || tokens[tokens[i].parent].type == JSMN_ARRAY) steps[n++] = i;
	size_t at = 0;
	// The last step, object, is what paths are relative to.
	for (n--; n >= 0 && at < MAX_PATH - 16; n--) {
		int step = steps[n];
		if (!is_key(step)) {
			int index = 0, parent = tokens[step].parent;
			for (int i = parent + 1; i < step; i++) index += tokens[i].parent == parent;
			at += (size_t)snprintf(out + at, MAX_PATH - at, "[%d]", index);
			continue;
		}
		if (at > 0) out[at++] = '.';
		for (int i = tokens[step].start; i < tokens[step].end && at < MAX_PATH - 16; i++) {
			char c = text[i];
			out[at++] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c;
		}
	}
	out[at] = 0;
}

static void begin(void) { fputs(findings++ ? "," : "", stdout); }

// report says what was found, and not the secret.
static void report(int t, const char *code, const char *what) {
	if (ignored(code) || findings > MAX_FINDINGS) return;
	begin();
	if (findings > MAX_FINDINGS) {
		fputs("{\"code\":\"more\",\"msg\":\"there are more secrets\"}", stdout);
		return;
	}
	char where[MAX_PATH];
	path(t, where);
	printf("{\"code\":\"%s\",\"field\":\"%s\",\"msg\":\"it has %s in plain text\","
		"\"fix\":\"mount a file that has it, and rotate it: everyone who reads the container has seen it\"}", code, where, what);
}

static void inspect(int t, char *buffer) {
	size_t n = decode(t, buffer);
	const char *end = buffer + n;
	if (tokens[tokens[t].parent].type == JSMN_ARRAY && named(buffer, end)) report(t, "secret-name", "a secret, by its name,");
	for (const char *p = buffer; p < end; p++) {
		if (!begins[(unsigned char)*p]) continue;
		// A token does not begin in the middle of a word.
		bool inside = p > buffer && isalnum((unsigned char)p[-1]);
		for (int i = 0; i < FORMATS && !inside; i++) {
			if (*p != *formats[i].prefix || !starts(p, end, formats[i].prefix)) continue;
			if (run(p + strlen(formats[i].prefix), end, formats[i].set) < formats[i].least) continue;
			report(t, formats[i].code, formats[i].what);
			return;
		}
		if (!inside && *p == 'e' && jwt(p, end)) return report(t, "jwt", "a JSON Web Token");
		if (*p == '-' && starts(p, end, "-----BEGIN ")) {
			// Labels are short, and there may be many beginnings.
			size_t label = run(p + 11, end - p > 80 ? p + 80 : end, printable);
			for (size_t i = 0; i + 16 <= label && i < 40; i++)
				if (memcmp(p + 11 + i, "PRIVATE KEY-----", 16) == 0) return report(t, "private-key", "a private key");
		}
		if (*p == ':' && starts(p, end, "://") && url_password(p, end)) return report(t, "url-password", "a URL with a password");
	}
}

int main(int argc, char **argv) {
	if (argc != 2 || strcmp(argv[1], "validate") != 0) {
		fputs("usage: env-secrets validate < request.json\n", stderr);
		return 2;
	}
	prepare();
	fputs("{\"violations\":[", stdout);
	char *buffer;
	if (!read_all() || !parse() || !(buffer = malloc(length + 1))) {
		begin();
		fputs("{\"code\":\"unreadable\",\"msg\":\"the request cannot be read\"}", stdout);
	} else {
		int operation = member(0, "operation"), object = member(0, "object"), own = member(0, "settings");
		settings = own >= 0 && tokens[own].type == JSMN_OBJECT ? member(own, "ignore") : -1;
		if (object >= 0 && !(operation >= 0 && is(operation, "DELETE")))
			for (int i = object + 1; i < count && tokens[i].start < tokens[object].end; i++)
				if (tokens[i].type == JSMN_STRING && !is_key(i)) inspect(i, buffer);
	}
	puts("]}");
	return 0;
}
