#include "report.h"

// Hosts bound a verdict. What is over these is counted only.
static constexpr unsigned countLimit = 64;
static constexpr unsigned byteLimit = 24 << 10;

// Messages have no control characters (see quoted), so JSON needs only these escapes.
static void writeText(std::string &out, Text s) {
  out += '"';
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

static void writeMember(std::string &out, Text name, Text s) {
  if (s.empty()) return;
  if (out.back() != '{') out += ',';
  writeText(out, name);
  out += ':';
  writeText(out, s);
}

void Report::trait(Trait trait, const Node &at, Text message, Text fix) {
  const std::string code = "forbidden." + std::string(nameOf(trait));
  if (settings_.forbid.has(trait)) {
    violation(code, at, message, fix);
  } else if (settings_.warn.has(trait)) {
    warning(code, at, message, fix);
  }
}

void Report::Findings::add(Text code, const Node &at, Text message, Text fix) {
  if (count_ >= countLimit || listed_.size() >= byteLimit) {
    unlisted_++;
    return;
  }
  if (count_++ > 0) listed_ += ',';
  listed_ += '{';
  writeMember(listed_, "msg", message);
  writeMember(listed_, "field", at.path());
  writeMember(listed_, "code", code);
  writeMember(listed_, "fix", fix);
  listed_ += '}';
}

std::string Report::Findings::json() const {
  if (unlisted_ == 0) return "[" + listed_ + "]";
  return "[" + listed_ + ",{\"msg\":\"and " + std::to_string(unlisted_) + " more\",\"code\":\"report.truncated\"}]";
}

std::string Report::verdict() const {
  return "{\"violations\":" + violations_.json() + ",\"warnings\":" + warnings_.json() + "}";
}
