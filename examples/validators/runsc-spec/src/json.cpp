#include "json.h"

#include <algorithm>

static constexpr unsigned quoteLimit = 80;  // characters

Node Node::at(Text key) const & {
  const Value *found = nullptr;
  if (isObject()) {
    for (const auto &m : value_->GetObject()) {
      if (text(m.name) == key) found = &m.value;
    }
  }
  return Node(this, key, 0, found);
}

Node Node::at(unsigned index) const & { return Node(this, Text(), index, &(*value_)[index]); }

unsigned Node::size() const {
  if (isArray()) return value_->Size();
  return isObject() ? value_->MemberCount() : 0;
}

static bool plain(Text key) {
  if (key.empty() || key.size() > 64) return false;
  return std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string Node::path() const {
  if (above_ == nullptr) return std::string(key_);
  std::string path = above_->path();
  if (key_.data() == nullptr) return path + "[" + std::to_string(index_) + "]";
  if (!plain(key_)) return path + "[" + quoted(key_) + "]";
  return path + "." + std::string(key_);
}

std::string quoted(Text s) {
  static const char hex[] = "0123456789abcdef";
  std::string out = "\"";
  unsigned characters = 0;
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80 && characters++ == quoteLimit) {  // where a character begins
      out += "…";
      break;
    }
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool among(Text words, Text word) {
  if (word.find('|') != Text::npos) return false;
  while (!words.empty()) {
    const size_t end = words.find('|');
    if (words.substr(0, end) == word) return true;
    words = end == Text::npos ? Text() : words.substr(end + 1);
  }
  return false;
}
