// A checker as a validator has one: it reads a JSON document, checks its grammar, and
// hashes keys to find those that an object has twice. Freestanding: no library.
// Memory below 64 KiB is free for the document.
typedef unsigned char byte;
typedef unsigned int u32;

enum { MAX_DEPTH = 64, SLOTS = 4096 };

static const byte *at, *end;
static u32 keys[SLOTS]; // hashes of keys, mixed with the object they are in
static u32 objects, duplicates;

static void space(void) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
}

// string reads a string after its opening quote, and returns its hash.
static u32 string(void) {
  u32 hash = 2166136261u;
  while (at < end && *at != '"') {
    if (*at < 0x20) return 0;
    if (*at == '\\' && ++at == end) return 0;
    hash = (hash ^ *at++) * 16777619u;
  }
  if (at == end) return 0;
  at++;
  return hash | 1;
}

static void note(u32 hash) {
  for (u32 i = hash % SLOTS, n = 0; n < SLOTS; i = (i + 1) % SLOTS, n++) {
    if (keys[i] == 0) {
      keys[i] = hash;
      return;
    }
    if (keys[i] == hash) {
      duplicates++;
      return;
    }
  }
}

static int word(const char *w) {
  for (; *w; w++)
    if (at == end || *at++ != (byte)*w) return 0;
  return 1;
}

static int number(void) {
  const byte *start = at;
  if (*at == '-') at++;
  while (at < end && ((*at >= '0' && *at <= '9') || *at == '.' || *at == 'e' || *at == 'E' || *at == '+' || *at == '-')) at++;
  return at > start;
}

static int value(int depth) {
  space();
  if (at == end || depth > MAX_DEPTH) return 0;
  switch (*at) {
  case '{': {
    u32 self = ++objects * 2654435761u;
    at++;
    space();
    if (at < end && *at == '}') { at++; return 1; }
    for (;;) {
      space();
      if (at == end || *at++ != '"') return 0;
      u32 key = string();
      if (key == 0) return 0;
      note((key ^ self) | 1);
      space();
      if (at == end || *at++ != ':') return 0;
      if (!value(depth + 1)) return 0;
      space();
      if (at == end) return 0;
      if (*at == '}') { at++; return 1; }
      if (*at++ != ',') return 0;
    }
  }
  case '[':
    at++;
    space();
    if (at < end && *at == ']') { at++; return 1; }
    for (;;) {
      if (!value(depth + 1)) return 0;
      space();
      if (at == end) return 0;
      if (*at == ']') { at++; return 1; }
      if (*at++ != ',') return 0;
    }
  case '"': at++; return string() != 0;
  case 't': return word("true");
  case 'f': return word("false");
  case 'n': return word("null");
  default: return number();
  }
}

// check returns -1 for what is not JSON, or how many keys are there twice.
__attribute__((export_name("check"))) int check(const byte *p, u32 n) {
  for (u32 i = 0; i < SLOTS; i++) keys[i] = 0;
  objects = duplicates = 0;
  at = p, end = p + n;
  if (!value(0)) return -1;
  space();
  return at == end ? (int)duplicates : -1;
}
