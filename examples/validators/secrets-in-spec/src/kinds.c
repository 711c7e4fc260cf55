#include "kinds.h"

#include <math.h>

typedef bool class_fn(char c);

static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool lower(char c) { return c >= 'a' && c <= 'z'; }
static bool alnum(char c) { return digit(c) || upper(c) || lower(c); }
static bool word(char c) { return alnum(c) || c == '_'; }
static bool url64(char c) { return word(c) || c == '-'; }
static bool base32(char c) { return upper(c) || (c >= '2' && c <= '7'); }

static size_t span(struct text s, class_fn *in) {
	size_t n = 0;
	while (n < s.len && in(s.at[n])) n++;
	return n;
}

// A prefix with at least least characters of a class behind it.
static bool token(struct text s, struct text prefix, class_fn *in, size_t least) {
	return starts(s, prefix) && span(after(s, prefix.len), in) >= least;
}

static bool private_key(struct text s) {
	if (!starts(s, TEXT("-----BEGIN "))) return false;
	s = after(s, 11);
	const size_t line = find(s, TEXT("-----"));
	if (line > 40) return false;
	return find(first(s, line), TEXT("PRIVATE KEY")) < line;
}

// Four letters, and 16 of base 32.
static bool aws_key(struct text s) {
	static const struct text prefixes[] = {TEXT_OF("AKIA"), TEXT_OF("ASIA"), TEXT_OF("ABIA"), TEXT_OF("ACCA")};
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		if (starts(s, prefixes[i])) return span(after(s, 4), base32) == 16 && (s.len == 20 || !word(s.at[20]));
	}
	return false;
}

static bool github(struct text s) {
	if (token(s, TEXT("github_pat_"), word, 59)) return true;
	return s.len > 4 && starts(s, TEXT("gh")) && memchr("pousr", s.at[2], 5) != NULL && s.at[3] == '_' &&
	       span(after(s, 4), alnum) >= 36;
}

static bool gitlab(struct text s) { return token(s, TEXT("glpat-"), url64, 20); }

static bool google(struct text s) { return token(s, TEXT("AIza"), url64, 35); }

static bool npm(struct text s) { return token(s, TEXT("npm_"), alnum, 36); }

static bool slack(struct text s) {
	if (token(s, TEXT("https://hooks.slack.com/services/T"), alnum, 8)) return true;
	return s.len > 5 && starts(s, TEXT("xox")) && memchr("abeoprs", s.at[3], 7) != NULL && s.at[4] == '-' &&
	       span(after(s, 5), url64) >= 10;
}

static bool stripe(struct text s) { return token(s, TEXT("sk_live_"), alnum, 16) || token(s, TEXT("rk_live_"), alnum, 16); }

// Three parts of base64, of which two are JSON objects.
static bool jwt(struct text s) {
	for (int part = 0; part < 2; part++) {
		const size_t n = span(s, url64);
		if (!starts(s, TEXT("eyJ")) || n < 13 || n == s.len || s.at[n] != '.') return false;
		s = after(s, n + 1);
	}
	return span(s, url64) >= 10;
}

// A variable, a template, or stars.
static bool placeholder(struct text s) {
	if (s.len == 0 || memchr("$<{%", s.at[0], 4) != NULL) return true;
	size_t n = 0;
	while (n < s.len && s.at[n] == s.at[0]) n++;
	return n == s.len;
}

static bool user_info(char c) { return c > ' ' && c != '/' && c != '@' && c != '"' && c != '\'' && c != '?' && c != '#'; }

// ://USER:PASSWORD@, behind the scheme.
static bool url_password(struct text s) {
	if (!starts(s, TEXT("://"))) return false;
	s = after(s, 3);
	const size_t n = span(s, user_info);
	if (n == s.len || s.at[n] != '@') return false;
	const size_t colon = find(first(s, n), TEXT(":"));
	return colon < n && !placeholder(after(first(s, n), colon + 1));
}

enum { PRIVATE_KEY, AWS_KEY, GITHUB, GITLAB, GOOGLE, NPM, SLACK, STRIPE, JWT, URL_PASSWORD, NAMED, COUNT };

const struct kind kinds[] = {
    [PRIVATE_KEY] = {TEXT_OF("private-key"), TEXT_OF("a private key"), private_key},
    [AWS_KEY] = {TEXT_OF("aws-access-key"), TEXT_OF("an access key of AWS"), aws_key},
    [GITHUB] = {TEXT_OF("github-token"), TEXT_OF("a token of GitHub"), github},
    [GITLAB] = {TEXT_OF("gitlab-token"), TEXT_OF("a token of GitLab"), gitlab},
    [GOOGLE] = {TEXT_OF("google-api-key"), TEXT_OF("an API key of Google"), google},
    [NPM] = {TEXT_OF("npm-token"), TEXT_OF("a token of npm"), npm},
    [SLACK] = {TEXT_OF("slack-token"), TEXT_OF("a token of Slack"), slack},
    [STRIPE] = {TEXT_OF("stripe-key"), TEXT_OF("a key of Stripe"), stripe},
    [JWT] = {TEXT_OF("jwt"), TEXT_OF("a JSON web token"), jwt},
    [URL_PASSWORD] = {TEXT_OF("url-password"), TEXT_OF("a URL with a password"), url_password},
    // By their names: see is_secret_name.
    [NAMED] = {TEXT_OF("named-secret"), TEXT_OF("a password, a token or a key"), NULL},
};
const size_t kind_count = COUNT;

// The kinds that begin with a character, a bit for each: most characters begin none.
static unsigned begun_by(char c) {
	switch (c) {
	case '-': return 1u << PRIVATE_KEY;
	case 'A': return 1u << AWS_KEY | 1u << GOOGLE;
	case 'e': return 1u << JWT;
	case 'g': return 1u << GITHUB | 1u << GITLAB;
	case 'h':
	case 'x': return 1u << SLACK;
	case 'n': return 1u << NPM;
	case 'r':
	case 's': return 1u << STRIPE;
	case ':': return 1u << URL_PASSWORD;
	default: return 0;
	}
}

const struct kind *find_kind(struct text value, unsigned among) {
	for (size_t i = 0; i < value.len; i++) {
		const unsigned candidates = begun_by(value.at[i]) & among;
		// Tokens begin where a word does.
		if (candidates == 0 || (i > 0 && word(value.at[i - 1]) && value.at[i] != ':')) continue;
		for (size_t k = 0; k < NAMED; k++) {
			if ((candidates >> k & 1) && kinds[k].is_at(after(value, i))) return &kinds[k];
		}
	}
	return NULL;
}

// A name as words in upper case with _ between: apiKey and --api-key are API_KEY.
static struct text words_of(struct text name, char *room, size_t size) {
	size_t n = 0;
	for (size_t i = 0; i < name.len && n + 2 < size; i++) {
		const char c = name.at[i];
		if (upper(c) && i > 0 && lower(name.at[i - 1])) room[n++] = '_';
		room[n++] = lower(c) ? (char)(c & ~0x20) : alnum(c) ? c : '_';
	}
	return (struct text){room, n};
}

// Whether a word of words is what; those that end it with an S count as well.
static bool has_word(struct text words, struct text what, bool at_end) {
	for (size_t i = 0; i + what.len <= words.len; i++) {
		if ((i > 0 && words.at[i - 1] != '_') || !starts(after(words, i), what)) continue;
		struct text rest = after(words, i + what.len);
		if (starts(rest, TEXT("S"))) rest = after(rest, 1);
		if (rest.len == 0 || (!at_end && rest.at[0] == '_')) return true;
	}
	return false;
}

static bool has_any(struct text words, const struct text *list, size_t count, bool at_end) {
	for (size_t i = 0; i < count; i++) {
		if (has_word(words, list[i], at_end)) return true;
	}
	return false;
}

bool is_secret_name(struct text name) {
	static const struct text anywhere[] = {
	    TEXT_OF("PASSWORD"),   TEXT_OF("PASSWD"),      TEXT_OF("PASSPHRASE"),     TEXT_OF("SECRET"),      TEXT_OF("TOKEN"),
	    TEXT_OF("APIKEY"),     TEXT_OF("API_KEY"),     TEXT_OF("ACCESS_KEY"),     TEXT_OF("PRIVATE_KEY"), TEXT_OF("AUTH_KEY"),
	    TEXT_OF("CREDENTIAL"), TEXT_OF("SIGNING_KEY"), TEXT_OF("ENCRYPTION_KEY"),
	};
	static const struct text at_end[] = {TEXT_OF("PASS"), TEXT_OF("PWD")};
	// What is said of a secret is none.
	static const struct text about[] = {
	    TEXT_OF("FILE"), TEXT_OF("PATH"), TEXT_OF("DIR"),    TEXT_OF("NAME"),   TEXT_OF("ID"),      TEXT_OF("URL"),    TEXT_OF("URI"),
	    TEXT_OF("TYPE"), TEXT_OF("SIZE"), TEXT_OF("LENGTH"), TEXT_OF("POLICY"), TEXT_OF("ENABLED"), TEXT_OF("EXPIRY"), TEXT_OF("TIMEOUT"),
	    TEXT_OF("TTL"),  TEXT_OF("AGE"),  TEXT_OF("ARN"),    TEXT_OF("ISSUER"), TEXT_OF("ENDPOINT"),
	};
	char room[256];
	const struct text words = words_of(name, room, sizeof room);
	if (same(words, TEXT("PWD")) || same(words, TEXT("OLDPWD"))) return false; // the shell's directories
	if (has_any(words, about, sizeof about / sizeof *about, true)) return false;
	return has_any(words, anywhere, sizeof anywhere / sizeof *anywhere, false) ||
	       has_any(words, at_end, sizeof at_end / sizeof *at_end, true);
}

// Shannon's entropy of the bytes, in bits for each.
static double entropy(struct text s) {
	unsigned counts[256] = {0};
	for (size_t i = 0; i < s.len; i++) counts[(unsigned char)s.at[i]]++;
	double bits = 0;
	for (int c = 0; c < 256; c++) {
		if (counts[c] > 0) bits -= counts[c] * log2((double)counts[c] / (double)s.len);
	}
	return bits / (double)s.len;
}

static bool lower_or_dash(char c) { return lower(c) || c == '-'; }

bool is_secret_value(struct text value, double min_entropy) {
	if (placeholder(value)) return false;
	if (value.at[0] == '/' || starts(value, TEXT("./")) || find(value, TEXT("://")) < value.len) return false;
	if (span(value, digit) == value.len) return false; // a time, a size, a port
	const size_t dashes = find(value, TEXT("-"));
	if (dashes < value.len && span(value, lower_or_dash) == value.len) return false; // words, such as the name of a secret
	return entropy(value) >= min_entropy;
}
